import type { Request, RequestHandler, Router } from 'express';
import type { Guards } from '../auth.js';
import type { HttpDeps } from '../deps.js';
import { serve } from '../route.js';

/**
 * `/events`: the state of everything, once a second, as server-sent events. Listings are open while
 * no key is configured; the players are only in it for who shows the key (spec 6).
 */
export function mountEvents(router: Router, { events }: HttpDeps, guards: Guards): void {
  const guard: RequestHandler = (request, response, next) => {
    const check = showsKey(request) ? guards.always : guards.whenConfigured;
    check(request, response, next);
  };
  serve(router, '/events', {
    get: [
      guard,
      (request, response) => {
        events.add(response, { withKey: showsKey(request) });
      },
    ],
  });
}

/** After the guard this means: the right one. */
function showsKey(request: Request): boolean {
  return request.headers.authorization !== undefined;
}
