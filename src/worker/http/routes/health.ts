import type { Router } from 'express';
import type { HttpDeps } from '../deps.js';
import { serve } from '../route.js';

/**
 * Open for everybody. Live: this worker's event loop turns. Ready: players can be served, which needs
 * Redis and a listening worker, not an engine (spec 2.3).
 */
export function mountHealth(router: Router, { readiness }: HttpDeps): void {
  serve(router, '/health/live', {
    get: [
      (_request, response) => {
        response.json({ status: 'live' });
      },
    ],
  });
  serve(router, '/health/ready', {
    get: [
      (_request, response) => {
        const { ready, reasons } = readiness();
        response.status(ready ? 200 : 503).json({ status: ready ? 'ready' : 'not ready', reasons });
      },
    ],
  });
}
