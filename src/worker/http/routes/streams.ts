import type { Router } from 'express';
import { AppError } from '../../../shared/errors.js';
import { listStreams, showStream } from '../../../shared/inspect/read-model.js';
import { STREAM_STATUSES, type StreamStatus } from '../../../shared/inspect/stream-view.js';
import type { Guards } from '../auth.js';
import type { HttpDeps } from '../deps.js';
import { fromRedis } from '../redis-guard.js';
import { pathParam, serve } from '../route.js';
import { parsePathStream } from '../stream-request.js';

/** `/streams` and `/streams/:key`. */
export function mountStreams(router: Router, deps: HttpDeps, guards: Guards): void {
  const { redis, keys } = deps;
  serve(router, '/streams', {
    get: [
      guards.whenConfigured,
      async (request, response) => {
        const status = parseStatus(request.query['status']);
        response.json(await fromRedis(listStreams(redis, keys, status)));
      },
    ],
  });
  serve(router, '/streams/:key', {
    get: [
      guards.whenConfigured,
      async (request, response) => {
        const id = parsePathStream(pathParam(request.params['key']));
        const stream = await fromRedis(showStream(redis, keys, id));
        if (stream === null) throw new AppError('STREAM_NOT_FOUND', { key: id });
        response.json(stream);
      },
    ],
    delete: [
      guards.always,
      async (request, response) => {
        const id = parsePathStream(pathParam(request.params['key']));
        const found = await fromRedis(deps.stopStream(id));
        if (!found) throw new AppError('STREAM_NOT_FOUND', { key: id });
        response.status(202).json({ key: id, stopping: true });
      },
    ],
  });
}

function parseStatus(value: unknown): StreamStatus | undefined {
  if (value === undefined) return undefined;
  const status = STREAM_STATUSES.find((known) => known === value);
  if (status === undefined) {
    throw new AppError('BAD_REQUEST', { reasons: [`status is ${STREAM_STATUSES.join(' or ')}`] });
  }
  return status;
}
