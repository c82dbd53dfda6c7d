import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { Router } from 'express';
import { systemClock } from '../../src/shared/clock.js';
import type { AccessSettings } from '../../src/shared/config/settings.js';
import { AppError } from '../../src/shared/errors.js';
import { silentLogger } from './silent-logger.js';
import { Metrics } from '../../src/shared/metrics/definitions.js';
import { makeKeys } from '../../src/shared/redis/keys.js';
import { AccessGate } from '../../src/worker/access/access-gate.js';
import { makeApp } from '../../src/worker/http/app.js';
import type { HttpDeps } from '../../src/worker/http/deps.js';
import { EventHub } from '../../src/worker/http/event-hub.js';
import { makeServer, type ServerLimits } from '../../src/worker/http/server.js';

export const API_KEY = 'the-right-key';

/** Dependencies that say yes to everything; a test replaces what it is about. */
export function fakeDeps(overrides: Partial<HttpDeps> = {}): HttpDeps {
  const metrics = new Metrics();
  const away = (): never => {
    throw new AppError('REDIS_UNAVAILABLE');
  };
  return {
    settings: { trustedProxies: [], workers: 2 },
    logger: silentLogger,
    keys: makeKeys({ hashTags: false }),
    redis: {
      get: away,
      exists: away,
      hget: away,
      hgetall: away,
      lrange: away,
      scard: away,
      sismember: away,
      smembers: away,
      publish: away,
      set: away,
      del: away,
    },
    enginePool: {
      list: () => Promise.resolve([{ id: 'engine-1' }]),
      register: () => Promise.resolve(true),
      remove: (id) => Promise.resolve(id === 'engine-1'),
      drain: (id) => Promise.resolve(id === 'engine-1'),
      undrain: (id) => Promise.resolve(id === 'engine-1'),
    },
    playlists: {
      publicUrl: null,
      channels: { list: () => Promise.reject(new AppError('NO_CHANNELS')) },
      fetch: null,
    },
    mediaRouter: fakeMedia(),
    readiness: () => ({ ready: true, reasons: [] }),
    collectMetrics: async () => ({
      registries: [await metrics.toJSON()],
      missing: 1,
      workers: [],
    }),
    localMetrics: () => metrics.toJSON(),
    events: new EventHub({ read: away, clock: systemClock, logger: silentLogger }),
    access: openAccess(),
    apiKeyConfigured: false,
    stopStream: () => Promise.resolve(true),
    kickClient: () => Promise.resolve(true),
    ...overrides,
  };
}

/** A gate that asks for the key only, or for what the settings say. */
export function openAccess(settings: Partial<AccessSettings> = {}): AccessGate {
  return new AccessGate({
    settings: {
      ...{ mediaTokens: [], usersPath: null, urlSecrets: [] },
      ...{ mediaNetworks: null, managementNetworks: null, ...settings },
    },
    ...{ apiKey: API_KEY, clock: systemClock, logger: silentLogger, onRefused: () => undefined },
  });
}

function fakeMedia(): Router {
  const router = Router();
  router.get('/ace/getstream', (_request, response) => {
    response.type('video/mp2t').send(Buffer.alloc(188));
  });
  return router;
}

export interface RunningApp {
  readonly url: string;
  readonly port: number;
  /** Connections that are open. */
  readonly connections: () => number;
  close(): Promise<void>;
}

/** The app behind a listener that deals sockets to it, as the primary does. */
export async function runApp(deps: HttpDeps, limits?: ServerLimits): Promise<RunningApp> {
  const fed = makeServer(makeApp(deps), limits);
  let open = 0;
  const listener = createServer((socket) => {
    open += 1;
    socket.on('close', () => {
      open -= 1;
    });
    fed.serve(socket);
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${String(port)}`,
    port,
    connections: () => open,
    close: async () => {
      listener.close();
      fed.close();
      fed.server.closeAllConnections();
      await once(listener, 'close');
    },
  };
}
