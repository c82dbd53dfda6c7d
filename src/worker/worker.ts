import type { IncomingMessage, RequestListener } from 'node:http';
import { hostname } from 'node:os';
import type { Clock } from '../shared/clock.js';
import type { PrimaryMessage } from '../shared/ipc/messages.js';
import type { Logger } from '../shared/log/logger.js';
import { Metrics } from '../shared/metrics/definitions.js';
import { ClientStore } from '../shared/redis/client-store.js';
import { openConnections, untilReady } from '../shared/redis/connections.js';
import { RedisEngineStore } from '../shared/redis/engine-store.js';
import { EventBus } from '../shared/redis/event-bus.js';
import { makeKeys } from '../shared/redis/keys.js';
import { OwnerStore } from '../shared/redis/owner-store.js';
import { RingStore } from '../shared/redis/ring-store.js';
import { Drain } from './drain.js';
import { EngineKeeper } from './engine/engine-keeper.js';
import { EnginePool } from './engine/engine-pool.js';
import { makeHttpDeps } from './http-deps.js';
import { makeApp } from './http/app.js';
import { makeServer } from './http/server.js';
import { ConnectionLedger } from './lifecycle/connection-ledger.js';
import { MetricsCollector } from './lifecycle/metrics-collector.js';
import type { PrimaryLink } from './lifecycle/primary-link.js';
import { replayRequest } from './lifecycle/replay.js';
import { makeStreamMetrics } from './stream-counters.js';
import { LeaseKeeper } from './stream/lease-keeper.js';
import { OrphanSweeper } from './stream/orphan-sweeper.js';
import { makeOwner } from './stream/owner-factory.js';
import { StreamRegistry } from './stream/stream-registry.js';

export interface WorkerInputs {
  readonly link: PrimaryLink;
  readonly start: Extract<PrimaryMessage, { type: 'start' }>;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** ms; a worker that starts while Redis is away serves all the same: with 503 and a reason. */
const REDIS_PATIENCE_MS = 3_000;

/** Builds one worker in the order of the data's way and says `ready` when it serves. */
export async function startWorker({ link, start, logger, clock }: WorkerInputs): Promise<void> {
  const { settings, worker } = start;
  const keys = makeKeys({ hashTags: settings.redis.hashTags });
  const redis = openConnections(settings.redis, logger);
  await untilReady(redis.control, REDIS_PATIENCE_MS).catch((error: unknown) =>
    logger.warn('Redis does not answer yet', { error }),
  );
  const metrics = new Metrics();
  const counters = makeStreamMetrics(metrics);
  const bus = new EventBus(redis.subscriber);
  const keepMs =
    Math.max(settings.bufferTtlMs, settings.clientTtlMs, settings.cleanupMs * 2) +
    settings.ownerLockTtlMs;

  const engineStore = new RedisEngineStore(redis.control, keys.engines);
  const pool = new EnginePool({
    store: engineStore,
    log: logger,
    worker,
    source: `config:${hostname()}:${String(settings.port)}`,
    configured: settings.engines,
    maxStreamsPerEngine: settings.maxStreamsPerEngine,
  });
  const { orchestratorUrl } = settings;
  const keeper = new EngineKeeper({ store: engineStore, log: logger, worker, orchestratorUrl });

  const owners = new OwnerStore({
    redis: redis.control,
    keys,
    worker,
    times: { lockMs: settings.ownerLockTtlMs, keepMs },
  });
  const ring = new RingStore({
    data: redis.data,
    keys,
    worker,
    chunkLifeMs: settings.bufferTtlMs,
    keepMs,
  });
  const clients = new ClientStore({
    redis: redis.control,
    keys,
    worker,
    leaseMs: settings.clientTtlMs,
  });
  const leases = new LeaseKeeper({
    store: clients,
    settings,
    clock,
    logger,
    onAskedToLeave: (client) => registry.close(client, 'kicked'),
  });
  const ownerDeps = { worker, settings, owners, ring, pool, metrics: counters, clock };
  const registry: StreamRegistry = new StreamRegistry({
    settings,
    owners,
    clock,
    deps: {
      settings,
      keys,
      bus,
      clients,
      owners,
      ring,
      leases,
      metrics: counters,
      clock,
      logger,
      makeOwner: (session, ownership) => makeOwner(ownerDeps, session, ownership),
      onOwning: (stream, term) => link.send({ type: 'owning', stream, term }),
      onReleased: (stream) => link.send({ type: 'released', stream }),
    },
  });
  const sweeper = new OrphanSweeper({
    owners,
    clients,
    owned: () => registry.owned(),
    releaseSlot: (lease) => pool.release(lease),
    cleanupMs: settings.cleanupMs,
    clock,
    logger,
  });

  const ledger = new ConnectionLedger({ link, clock });
  const collector = new MetricsCollector({ link, clock, local: () => metrics.toJSON() });
  const app = makeApp(
    makeHttpDeps({
      start,
      logger,
      clock,
      keys,
      redis: redis.control,
      pool,
      registry,
      ledger,
      metrics,
      collector,
    }),
  );
  const server = makeServer(reportRequests(ledger, app));

  link.on('connection', ({ connection }, socket) => {
    ledger.add(connection, socket, 'connection');
    if (socket !== null) server.serve(socket);
  });
  link.on('replay', ({ connection, request }, socket) => {
    ledger.add(connection, socket, 'replay');
    if (socket !== null) replayRequest(server.server, socket, request);
  });
  link.on('adopt', ({ connection, session, torn }, socket) => {
    ledger.add(connection, socket, 'adopt');
    if (socket === null) return;
    socket.on('data', () => undefined);
    ledger.playing(socket, session);
    registry.adopt(session, socket, torn).catch((error: unknown) => {
      logger.warn('a client could not be adopted', { client: session.client, error });
      socket.end();
    });
  });
  link.reportWorkload(() => {
    counters.setLoad(registry.clientCount, registry.streamCount, registry.owned().length);
    return { clients: registry.clientCount, streams: registry.streamCount };
  });
  ledger.reportPositions(() => registry.positions());
  const drain = new Drain({
    link,
    ledger,
    registry,
    server,
    logger,
    steps: [
      { name: 'sweeper', run: () => sweeper.stop() },
      { name: 'leases', run: () => leases.stop() },
      { name: 'engine keeper', run: () => keeper.stop() },
      { name: 'engine pool', run: () => pool.stop() },
      { name: 'Redis', run: () => redis.close() },
    ],
  });
  link.on('drain', (message) => void drain.run(message));

  await pool.start();
  keeper.start();
  leases.start();
  registry.start();
  sweeper.start();
  link.send({ type: 'ready' });
  logger.info('worker ready');
}

/**
 * Tells the primary of each request, so that another worker can answer it when this one dies. Only
 * requests without an effect can be asked again.
 */
function reportRequests(ledger: ConnectionLedger, app: RequestListener): RequestListener {
  return (request, response) => {
    const { socket } = request;
    if (request.method === 'GET' || request.method === 'HEAD') {
      ledger.requested(socket, {
        method: request.method,
        url: request.url ?? '/',
        headers: plainHeaders(request),
      });
      response.once('finish', () => ledger.answered(socket));
    } else {
      ledger.answered(socket);
    }
    app(request, response);
  };
}

function plainHeaders(request: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return headers;
}
