import { readFileSync } from 'node:fs';
import express, { type Express, type RequestHandler, type Router } from 'express';
import { makeGuards, type Guards } from './auth.js';
import { trustOf } from './client-address.js';
import { takePathToken } from './credentials.js';
import type { HttpDeps } from './deps.js';
import { makeErrorHandler, methodNotAllowed, notFound } from './error-handler.js';
import { serve } from './route.js';
import { mountClients } from './routes/clients.js';
import { mountEngines } from './routes/engines.js';
import { mountEvents } from './routes/events.js';
import { mountHealth } from './routes/health.js';
import { mountMetrics } from './routes/metrics.js';
import { mountPanel } from './routes/panel.js';
import { mountPlaylist } from './routes/playlist.js';
import { mountStreams } from './routes/streams.js';

const MEDIA_PATHS = ['/ace/getstream', '/ace/alias/:name'];
const OPENAPI = new URL('./openapi.yaml', import.meta.url);

/** The express side of a worker. The order below is the order a request goes through. */
export function makeApp(deps: HttpDeps): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'simple');
  app.set('trust proxy', trustOf(deps.settings.trustedProxies));

  app.use(takePathToken);
  // Media first: nothing may stand between a player and its bytes (style 5.4.6).
  app.use(deps.mediaRouter);
  for (const path of MEDIA_PATHS) app.route(path).all(methodNotAllowed(['GET', 'HEAD']));
  app.use(managementHeaders);
  app.use(managementRouter(deps));
  app.use(notFound);
  app.use(makeErrorHandler(deps.logger));
  return app;
}

function managementRouter(deps: HttpDeps): Router {
  const router = express.Router();
  const guards = makeGuards(deps);
  mountHealth(router, deps);
  mountMetrics(router, deps, guards);
  mountStreams(router, deps, guards);
  mountClients(router, deps, guards);
  mountEngines(router, deps, guards);
  mountEvents(router, deps, guards);
  mountPanel(router, guards);
  mountPlaylist(router, deps, guards);
  mountOpenapi(router, guards);
  return router;
}

function mountOpenapi(router: Router, guards: Guards): void {
  const document = readFileSync(OPENAPI, 'utf8');
  serve(router, '/openapi.yaml', {
    get: [
      guards.network,
      (_request, response) => {
        response.type('application/yaml').send(document);
      },
    ],
  });
}

/** Answers are about this moment, and none is a page a browser should guess the type of. */
const managementHeaders: RequestHandler = (_request, response, next) => {
  response.set({ 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' });
  next();
};
