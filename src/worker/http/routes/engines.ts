import { json, type Router } from 'express';
import { AppError } from '../../../shared/errors.js';
import type { Guards } from '../auth.js';
import type { HttpDeps } from '../deps.js';
import { parseEngineRequest } from '../engine-request.js';
import { fromRedis } from '../redis-guard.js';
import { pathParam, serve } from '../route.js';

/** Bytes; an engine's address takes a few hundred. */
const BODY_LIMIT = 16_384;

/** `/engines`: the registry that all workers on all hosts share. */
export function mountEngines(router: Router, { enginePool }: HttpDeps, guards: Guards): void {
  serve(router, '/engines', {
    get: [
      guards.whenConfigured,
      async (_request, response) => {
        response.json(await fromRedis(enginePool.list()));
      },
    ],
    post: [
      guards.always,
      json({ limit: BODY_LIMIT }),
      async (request, response) => {
        const engine = parseEngineRequest(request.body);
        const isNew = await fromRedis(enginePool.register(engine));
        if (isNew) response.status(201).location(`/engines/${encodeURIComponent(engine.id)}`);
        response.json(engine);
      },
    ],
  });
  serve(router, '/engines/:id', {
    delete: [
      guards.always,
      async (request, response) => {
        const id = pathParam(request.params['id']);
        await must(enginePool.remove(id));
        response.json({ id, removed: true });
      },
    ],
  });
  serve(router, '/engines/:id/drain', {
    post: [
      guards.always,
      async (request, response) => {
        const id = pathParam(request.params['id']);
        await must(enginePool.drain(id));
        response.json({ id, draining: true });
      },
    ],
    delete: [
      guards.always,
      async (request, response) => {
        const id = pathParam(request.params['id']);
        await must(enginePool.undrain(id));
        response.json({ id, draining: false });
      },
    ],
  });
}

async function must(change: Promise<boolean>): Promise<void> {
  if (!(await fromRedis(change))) throw new AppError('ENGINE_NOT_FOUND');
}
