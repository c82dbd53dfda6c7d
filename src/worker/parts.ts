import { hostname } from 'node:os';
import type { Clock } from '../shared/clock.js';
import type { PrimaryMessage } from '../shared/ipc/messages.js';
import type { Logger } from '../shared/log/logger.js';
import { Metrics, REDIS_USES } from '../shared/metrics/definitions.js';
import { ClientStore } from '../shared/redis/client-store.js';
import { openConnections, untilReady, type RedisConnections } from '../shared/redis/connections.js';
import { RedisEngineStore } from '../shared/redis/engine-store.js';
import { EventBus } from '../shared/redis/event-bus.js';
import { makeKeys, type Keys } from '../shared/redis/keys.js';
import { observeCommands } from '../shared/redis/observe.js';
import { OwnerStore } from '../shared/redis/owner-store.js';
import { readRedisTime } from '../shared/redis/redis-time.js';
import { RingStore } from '../shared/redis/ring-store.js';
import { SharedClock } from '../shared/shared-clock.js';
import { AccessGate } from './access/access-gate.js';
import { FailureShare } from './access/failure-share.js';
import type { DrainStep } from './drain.js';
import { EngineKeeper } from './engine/engine-keeper.js';
import { configSource, EnginePool } from './engine/engine-pool.js';
import { BackgroundWork } from './lifecycle/background-work.js';
import { ClockKeeper } from './lifecycle/clock-keeper.js';
import type { PrimaryLink } from './lifecycle/primary-link.js';
import { makeStreamCounters, type StreamCounters } from './stream-counters.js';
import { LeaseKeeper } from './stream/lease-keeper.js';
import { OrphanSweeper } from './stream/orphan-sweeper.js';
import { makeOwner } from './stream/owner-factory.js';
import type { StreamMover } from './stream/stream-mover.js';
import { StreamRegistry } from './stream/stream-registry.js';
import { UserPlaces } from './stream/user-places.js';

export interface PartsInputs {
  readonly link: Pick<PrimaryLink, 'send'> & Partial<Pick<PrimaryLink, 'vitals'>>;
  readonly mover: StreamMover;
  readonly start: Extract<PrimaryMessage, { type: 'start' }>;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** A worker without its HTTP side: what the rest of it needs. */
export interface WorkerParts {
  readonly keys: Keys;
  readonly redis: RedisConnections;
  readonly metrics: Metrics;
  readonly counters: StreamCounters;
  readonly pool: EnginePool;
  readonly registry: StreamRegistry;
  /** The time that all hosts share. */
  readonly clock: Clock;
  readonly access: AccessGate;
  /** Starts everything that has timers. */
  begin(): Promise<void>;
  /** What is ended after clients and streams, in this order. */
  readonly endSteps: readonly DrainStep[];
}

/** ms; an engine that has begun to look for a content answers the start within seconds. */
const LATE_ANSWERS_MS = 2_000;

interface Stores {
  readonly keys: Keys;
  readonly redis: RedisConnections;
  readonly bus: EventBus;
  readonly owners: OwnerStore;
  readonly ring: RingStore;
  readonly clients: ClientStore;
}

/** ms; a worker that starts while Redis is away serves all the same: with 503 and a reason. */
const REDIS_PATIENCE_MS = 3_000;

/** Makes the parts of a worker in the order of the data's way; nothing runs before `begin`. */
export async function makeParts(given: PartsInputs): Promise<WorkerParts> {
  const clock = new SharedClock(given.clock);
  const inputs = { ...given, clock };
  const { start, logger } = inputs;
  const { settings } = start;
  const stores = makeStores(inputs);
  await untilReady(stores.redis.control, REDIS_PATIENCE_MS).catch((error: unknown) =>
    logger.warn('Redis does not answer yet', { error }),
  );
  const metrics = new Metrics();
  for (const use of REDIS_USES) {
    observeCommands(stores.redis[use], {
      answered: (seconds) => metrics.redisSeconds.observe(use, seconds),
      failed: (kind) => metrics.redisErrors.inc(kind),
    });
  }
  const counters = makeStreamCounters(metrics);
  const { pool, keeper } = makeEngines(inputs, stores);
  const { owners, clients, keys, redis } = stores;
  const access = makeAccess(inputs, stores, metrics);
  const places = new UserPlaces({
    ...{ store: clients, policy: access, clock, logger },
    onLost: (client, reason) => registry.close(client, reason),
  });
  const leases: LeaseKeeper = new LeaseKeeper({
    ...{ store: clients, settings, clock, logger, places },
    onAskedToLeave: (client) => registry.close(client, 'kicked'),
    vitals: () => ({ ...inputs.link.vitals }),
  });
  const lateAnswers = new BackgroundWork();
  const registry = makeRegistry(inputs, { ...stores, pool, leases, counters, lateAnswers });
  const clockKeeper = new ClockKeeper({ clock, logger, ask: () => readRedisTime(redis.control) });
  const sweeper = new OrphanSweeper({
    ...{ owners, clients, clock, logger, cleanupMs: settings.cleanupMs },
    owned: () => registry.owned(),
    served: (stream) => registry.serves(stream),
    releaseSlot: (lease) => pool.release(lease),
  });
  return {
    ...{ keys, redis, metrics, counters, pool, registry, clock, access },
    begin: async () => {
      await clockKeeper.start();
      await pool.start();
      keeper.start();
      leases.start();
      registry.start();
      sweeper.start();
    },
    endSteps: [
      { name: 'late answers of engines', run: () => lateAnswers.over(), ms: LATE_ANSWERS_MS },
      { name: 'clock', run: () => clockKeeper.stop() },
      { name: 'sweeper', run: () => sweeper.stop() },
      { name: 'leases', run: () => leases.stop() },
      { name: 'engine keeper', run: () => keeper.stop() },
      { name: 'engine pool', run: () => pool.stop() },
      { name: 'Redis', run: () => redis.close() },
    ],
  };
}

function makeStores({ start, logger }: PartsInputs): Stores {
  const { settings, worker } = start;
  const { ownerLockTtlMs: lockMs, bufferTtlMs, clientTtlMs, cleanupMs } = settings;
  const keys = makeKeys({ hashTags: settings.redis.hashTags });
  const redis = openConnections(settings.redis, logger);
  // Long enough for two sweeps to find what a dead owner left, short enough to vanish by itself.
  const keepMs = Math.max(bufferTtlMs, clientTtlMs, cleanupMs * 2) + lockMs;
  const { control, data, subscriber } = redis;
  return {
    keys,
    redis,
    bus: new EventBus(subscriber),
    owners: new OwnerStore({ redis: control, keys, worker, times: { lockMs, keepMs } }),
    ring: new RingStore({ data, keys, worker, chunkLifeMs: bufferTtlMs, keepMs }),
    clients: new ClientStore({ redis: control, keys, worker, leaseMs: clientTtlMs }),
  };
}

function makeAccess(
  { start, logger, clock }: PartsInputs,
  { keys, redis, bus }: Stores,
  metrics: Metrics,
): AccessGate {
  const { settings, apiKey, worker } = start;
  const share = new FailureShare({
    ...{ worker, bus, channel: keys.failures },
    publish: (channel, text) => redis.control.publish(channel, text),
    onHeard: (host) => access.countFailure(host),
  });
  const access = new AccessGate({
    ...{ settings: settings.access, apiKey, clock, logger },
    onRefused: (code) => metrics.accessRefused.inc(code),
    onFailed: (host) => share.tell(host),
  });
  return access;
}

function makeEngines({ start, logger, clock }: PartsInputs, { keys, redis }: Stores) {
  const { settings, worker } = start;
  const store = new RedisEngineStore(redis.control, keys.engines, clock);
  const pool = new EnginePool({
    ...{ store, log: logger, worker, clock },
    source: configSource(hostname(), settings.port, settings.engines),
    configured: settings.engines,
    maxStreamsPerEngine: settings.maxStreamsPerEngine,
    onUnhealthy: () => keeper.probeUnhealthy(),
  });
  const { orchestratorUrl } = settings;
  const keeper = new EngineKeeper({ store, log: logger, worker, orchestratorUrl, clock });
  return { pool, keeper };
}

function makeRegistry(
  { link, mover, start, logger, clock }: PartsInputs,
  parts: Stores & {
    readonly pool: EnginePool;
    readonly leases: LeaseKeeper;
    readonly counters: StreamCounters;
    readonly lateAnswers: BackgroundWork;
  },
): StreamRegistry {
  const { settings, worker } = start;
  const { keys, bus, owners, ring, clients, pool, leases, counters: metrics, lateAnswers } = parts;
  const ownerDeps = {
    ...{ worker, settings, owners, ring, pool, metrics, clock },
    onLateAnswer: (work: Promise<void>) => lateAnswers.add(work),
  };
  return new StreamRegistry({
    ...{ settings, owners, clock },
    deps: {
      ...{ settings, keys, bus, clients, owners, ring, leases, metrics, clock, logger },
      makeOwner: (session, ownership, reader) => makeOwner(ownerDeps, session, ownership, reader),
      mover,
      onOwning: (stream, term) => link.send({ type: 'owning', stream, term }),
      onReleased: (stream) => link.send({ type: 'released', stream }),
    },
  });
}
