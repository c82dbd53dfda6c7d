import { createHash, randomUUID } from 'node:crypto';
import { systemClock, type Clock } from '../../shared/clock.js';
import type { EngineAddress } from '../../shared/config/settings.js';
import { withDeadline } from '../../shared/deadline.js';
import type { StreamId, WorkerId } from '../../shared/ids.js';
import type { Logger } from '../../shared/log/logger.js';
import type {
  EngineRecord,
  EngineStore,
  NoEngineReasons,
} from '../../shared/redis/engine-records.js';
import { toRedisError } from '../../shared/redis/failures.js';
import { patiently } from '../../shared/redis/patience.js';
import type { EngineEnd } from '../contracts.js';
import { afterFault, afterLosses, afterSuccess } from './engine-health.js';
import { toListing, type EngineListing } from './engine-listing.js';
import { HealthWriter } from './health-writer.js';

/** ms; an owner renews far more often, and its successor frees the slot by its higher term. */
const LEASE_MS = 30_000;
/** ms; a Redis that came back empty knows the configured engines again within 2 s (spec 3.7). */
const SYNC_INTERVAL_MS = 1_000;
/** ms; an engine that is up answers a probe within a few. */
const PATIENCE_MS = 700;

export interface EnginePoolDeps {
  readonly store: EngineStore;
  readonly log: Logger;
  readonly worker: WorkerId;
  /** From `configSource`. */
  readonly source: string;
  /** `ACE_ENGINES`. */
  readonly configured: readonly EngineAddress[];
  /** `PROXY_MAX_STREAMS_PER_ENGINE`. */
  readonly maxStreamsPerEngine: number;
  readonly clock?: Clock;
  readonly leaseMs?: number;
  /**
   * No engine is free and some are unhealthy: somebody waits, so they are worth another look. Resolves
   * when it was had.
   */
  readonly onUnhealthy?: () => Promise<void>;
}

/** A slot of an engine, held until it is released or not renewed for 30 s. */
export interface EngineLease {
  readonly lease: string;
  readonly engine: EngineRecord;
  readonly stream: StreamId;
  readonly term: number;
  /** Engines that were free too when this one was chosen: how long to wait for it. */
  readonly alternatives: number;
}

export type ReserveAnswer =
  | { readonly ok: true; readonly lease: EngineLease }
  | { readonly ok: false; readonly reasons: NoEngineReasons };

/** The engines of all hosts, as one worker deals with them. */
export class EnginePool {
  readonly #deps: EnginePoolDeps;
  readonly #clock: Clock;
  readonly #health: HealthWriter;
  #timer: NodeJS.Timeout | undefined;
  #syncing: Promise<void> | null = null;
  #syncFailed = false;
  /** What was said last of configured engines that are not registered. */
  #away = '';
  #taken = '';

  constructor(deps: EnginePoolDeps) {
    this.#deps = deps;
    this.#clock = deps.clock ?? systemClock;
    this.#health = new HealthWriter({ store: deps.store, log: deps.log, clock: this.#clock });
  }

  /** Registers the configured engines and keeps them registered. Does not wait for Redis to be there. */
  async start(): Promise<void> {
    this.#timer ??= this.#clock.setInterval(() => void this.#sync(), SYNC_INTERVAL_MS);
    await this.#sync();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    await this.#syncing;
  }

  /**
   * Reserves a slot for a stream, in one atomic step (spec 3.1). Throws `REDIS_UNAVAILABLE`. What an
   * older term of the same stream held is free after it.
   */
  async reserve(request: {
    readonly stream: StreamId;
    readonly term: number;
    readonly exclude?: readonly string[];
    /** True to wait a moment for unhealthy engines to be looked at, and to ask again. */
    readonly patient?: boolean;
  }): Promise<ReserveAnswer> {
    const first = await this.#tryReserve(request);
    if (!first.ok && first.reasons.unhealthy > 0) {
      const looked = this.#deps.onUnhealthy?.() ?? Promise.resolve();
      if (request.patient !== true) void looked.catch(() => undefined);
      else if (await inTime(looked)) return this.#tryReserve(request);
    }
    if (first.ok || first.reasons.total > 0 || this.#deps.configured.length === 0) return first;
    // Redis came back empty and nobody has registered anything yet.
    await this.#sync();
    return this.#tryReserve(request);
  }

  /** Throws when Redis is away: the lease then goes on for the rest of its life. */
  async renew(lease: EngineLease): Promise<void> {
    await this.#deps.store.renew({
      lease: lease.lease,
      engine: lease.engine.id,
      stream: lease.stream,
      term: lease.term,
      worker: this.#deps.worker,
      ttlMs: this.#deps.leaseMs ?? LEASE_MS,
    });
  }

  /**
   * Frees the slot of a lease id. Idempotent, never rejects, and waits for one answer: where Redis is
   * away it goes on trying for a moment, and then the lease runs out.
   */
  async release(lease: string): Promise<void> {
    try {
      await this.#deps.store.release(lease);
    } catch {
      void this.#releaseLater(lease);
    }
  }

  async #releaseLater(lease: string): Promise<void> {
    const { store, log } = this.#deps;
    try {
      await patiently(this.#clock, () => store.release(lease));
    } catch (error) {
      log.debug('could not release an engine; its lease runs out', { lease, error });
    }
  }

  /** A start brought media. Never rejects. */
  reportSuccess(engineId: string): Promise<void> {
    return this.#health.apply(engineId, afterSuccess());
  }

  /** Live traffic met a fault. Never rejects. */
  reportFault(engineId: string, fault: EngineEnd): Promise<void> {
    return this.#health.apply(engineId, afterFault(fault));
  }

  /** A stream on it lost so many packets in a minute. Never rejects. */
  reportLosses(engineId: string, lossesPerMinute: number): Promise<void> {
    return this.#health.apply(engineId, afterLosses(lossesPerMinute));
  }

  /** All engines by id. Throws when Redis is away. */
  async list(): Promise<readonly EngineListing[]> {
    const now = this.#clock.now();
    const snapshots = await this.#deps.store.list();
    return snapshots.map((snapshot) => toListing(snapshot, this.#deps.maxStreamsPerEngine, now));
  }

  /** Registers an engine by hand; true when it is new. Throws when Redis is away. */
  register(engine: EngineAddress): Promise<boolean> {
    return this.#deps.store.register(toRecord(engine, 'api'));
  }

  /** Removes an engine, also one that is configured; streams on it go on. False: there was none. */
  remove(id: string): Promise<boolean> {
    return this.#deps.store.remove(id);
  }

  /** A draining engine keeps its streams and gets no new one. False: there is none. */
  drain(id: string): Promise<boolean> {
    return this.#deps.store.drain(id, true);
  }

  undrain(id: string): Promise<boolean> {
    return this.#deps.store.drain(id, false);
  }

  async #tryReserve(request: {
    readonly stream: StreamId;
    readonly term: number;
    readonly exclude?: readonly string[];
  }): Promise<ReserveAnswer> {
    const { store, worker, maxStreamsPerEngine, leaseMs } = this.#deps;
    const { stream, term, exclude = [] } = request;
    const lease = randomUUID();
    try {
      const result = await store.reserve({
        lease,
        stream,
        worker,
        term,
        exclude,
        ttlMs: leaseMs ?? LEASE_MS,
        defaultMax: maxStreamsPerEngine,
      });
      if (!result.ok) return result;
      const { engine, alternatives } = result;
      return { ok: true, lease: { lease, engine, stream, term, alternatives } };
    } catch (thrown) {
      // The answer may have got lost after the slot was taken.
      void this.release(lease);
      throw toRedisError(thrown);
    }
  }

  #sync(): Promise<void> {
    this.#syncing ??= this.#syncOnce().finally(() => {
      this.#syncing = null;
    });
    return this.#syncing;
  }

  async #syncOnce(): Promise<void> {
    const { store, source, configured, log } = this.#deps;
    try {
      const records = configured.map((engine) => toRecord(engine, source));
      const { away, taken } = await store.sync(source, records);
      this.#syncFailed = false;
      if (away.join() !== this.#away && away.length > 0) {
        log.warn('configured engines were removed by hand: POST /engines brings them back', {
          engines: away,
        });
      }
      if (taken.join() !== this.#taken && taken.length > 0) {
        log.warn('another host has other engines of these names: give them names of their own', {
          engines: taken,
        });
      }
      this.#away = away.join();
      this.#taken = taken.join();
    } catch (error) {
      if (!this.#syncFailed) log.warn('could not register the configured engines', { error });
      this.#syncFailed = true;
    }
  }
}

/** False when a look at the engines takes too long: one of them hangs. Never rejects. */
function inTime(looked: Promise<void>): Promise<boolean> {
  return withDeadline(looked, PATIENCE_MS, 'a look at unhealthy engines').then(
    () => true,
    () => false,
  );
}

/**
 * Who registers the engines of a configuration: one name for all workers of one proxy. The list is part
 * of it, because two hosts may be called the same and would remove each other's engines.
 */
export function configSource(
  host: string,
  port: number,
  engines: readonly EngineAddress[],
): string {
  const digest = createHash('sha1').update(JSON.stringify(engines)).digest('hex').slice(0, 8);
  return `config:${host}:${String(port)}:${digest}`;
}

function toRecord(engine: EngineAddress, source: string): EngineRecord {
  return { ...engine, source, draining: false, withheld: false, containerId: null };
}
