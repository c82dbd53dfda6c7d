import type { Router } from 'express';
import { AppError } from '../../../shared/errors.js';
import { parseClientId } from '../../../shared/ids.js';
import { listClients } from '../../../shared/inspect/read-model.js';
import type { Guards } from '../auth.js';
import type { HttpDeps } from '../deps.js';
import { fromRedis } from '../redis-guard.js';
import { pathParam, serve } from '../route.js';
import { parsePathStream } from '../stream-request.js';

/** `/streams/:key/clients` shows players' addresses, so even reading needs the key (spec 6). */
export function mountClients(router: Router, deps: HttpDeps, guards: Guards): void {
  const { redis, keys } = deps;
  serve(router, '/streams/:key/clients', {
    get: [
      guards.always,
      async (request, response) => {
        const id = parsePathStream(pathParam(request.params['key']));
        const clients = await fromRedis(listClients(redis, keys, id));
        if (clients === null) throw new AppError('STREAM_NOT_FOUND', { key: id });
        response.json(clients);
      },
    ],
  });
  serve(router, '/streams/:key/clients/:id', {
    delete: [
      guards.always,
      async (request, response) => {
        const id = parsePathStream(pathParam(request.params['key']));
        const client = parseClientId(pathParam(request.params['id']));
        if (client === null || !(await fromRedis(deps.kickClient(id, client)))) {
          throw new AppError('CLIENT_NOT_FOUND', { key: id });
        }
        response.status(202).json({ key: id, id: client, stopping: true });
      },
    ],
  });
}
