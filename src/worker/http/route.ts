import type { RequestHandler, Router } from 'express';
import { methodNotAllowed } from './error-handler.js';

export interface Methods {
  readonly get?: readonly RequestHandler[];
  readonly post?: readonly RequestHandler[];
  readonly delete?: readonly RequestHandler[];
}

/** Serves one path with these methods and answers every other method with 405 and `Allow`. */
export function serve(router: Router, path: string, methods: Methods): void {
  const route = router.route(path);
  const allowed: string[] = [];
  if (methods.get) {
    route.get(...methods.get);
    allowed.push('GET', 'HEAD');
  }
  if (methods.post) {
    route.post(...methods.post);
    allowed.push('POST');
  }
  if (methods.delete) {
    route.delete(...methods.delete);
    allowed.push('DELETE');
  }
  route.all(methodNotAllowed(allowed));
}

/** A named parameter of the path; a list cannot come from the patterns that are used here. */
export function pathParam(value: string | string[] | undefined): string {
  return typeof value === 'string' ? value : '';
}
