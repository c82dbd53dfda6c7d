import { randomUUID } from 'node:crypto';
import type { Clock } from '../../shared/clock.js';
import { AppError, type ErrorCode } from '../../shared/errors.js';
import { footprint, ringNeed, type RingBounds, type RingFill } from '../../shared/ring-memory.js';
import type { EngineRecord } from '../../shared/redis/engine-records.js';
import { toRedisError } from '../../shared/redis/failures.js';
import { patiently } from '../../shared/redis/patience.js';
import type { OwnerStore, Ownership } from '../../shared/redis/owner-store.js';
import type { EngineEnd } from '../contracts.js';
import type { EngineLease, EnginePool } from '../engine/engine-pool.js';
import type { EngineSlot, EngineSlots } from '../owner/engine-runner.js';

export interface PoolSlotsOptions {
  readonly pool: EnginePool;
  readonly owners: OwnerStore;
  readonly ownership: Ownership;
  /** `PROXY_MAX_STREAMS`; 0 means no limit. */
  readonly maxStreams: number;
  /** `PROXY_BUFFER_TOTAL_BYTES`; 0 means that only Redis' memory bounds. */
  readonly totalBytes: number;
  /** Rings are spread over the nodes of a Redis Cluster. */
  readonly spread: boolean;
  readonly bounds: RingBounds;
  /** What the stream's ring has come to. */
  readonly ring: () => RingFill;
  /** True once the stream has had media: then it waits for Redis as it waits for an engine. */
  readonly plays: () => boolean;
  readonly clock: Clock;
}

/** ms; a third of a reservation's life (30 s), so that two renewals may fail. */
const RENEW_MS = 10_000;

/** Why Redis gives no slot now; a stream that plays asks again. */
const NO_ANSWER: ReadonlyMap<ErrorCode, string> = new Map([
  ['REDIS_UNAVAILABLE', 'away'],
  ['REDIS_FULL', 'full'],
]);

/** The engine pool as one owner uses it: one slot at a time, kept as long as it is held. */
export class PoolSlots implements EngineSlots {
  readonly #options: PoolSlotsOptions;
  #lease: EngineLease | null = null;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: PoolSlotsOptions) {
    this.#options = options;
  }

  async reserve(exclude: readonly string[]): Promise<EngineSlot | { readonly none: object }> {
    const { plays, clock } = this.#options;
    const ask = (): ReturnType<PoolSlots['reserve']> => this.#reserve(exclude);
    try {
      // A stream that plays has a longer patience of its own.
      return await (plays() ? ask() : patiently(clock, ask));
    } catch (thrown) {
      const error = toRedisError(thrown);
      const none = error instanceof AppError ? NO_ANSWER.get(error.code) : undefined;
      if (none !== undefined && plays()) return { none: { redis: none } };
      throw error;
    }
  }

  async #reserve(exclude: readonly string[]): Promise<EngineSlot | { readonly none: object }> {
    const { pool, ownership, plays } = this.#options;
    await this.#admitStream();
    await this.#admitRing();
    const answer = await pool.reserve({ ...ownership, exclude, patient: plays() });
    if (!answer.ok) return { none: answer.reasons };
    return this.#hold(answer.lease);
  }

  /** The slot of a session that goes on under a new owner: counted even where the engine is full. */
  async inherit(engine: EngineRecord, oldLease: string): Promise<EngineSlot> {
    const { pool, ownership } = this.#options;
    const lease: EngineLease = { lease: randomUUID(), engine, ...ownership, alternatives: 0 };
    await pool.renew(lease);
    if (oldLease !== '') await pool.release(oldLease);
    return this.#hold(lease);
  }

  async release(lease: string): Promise<void> {
    clearInterval(this.#timer);
    this.#lease = null;
    await this.#options.pool.release(lease);
  }

  succeeded(engine: string): void {
    void this.#options.pool.reportSuccess(engine);
  }

  failed(engine: string, end: EngineEnd): void {
    void this.#options.pool.reportFault(engine, end);
  }

  suffered(engine: string, lossesPerMinute: number): void {
    void this.#options.pool.reportLosses(engine, lossesPerMinute);
  }

  #hold(lease: EngineLease): EngineSlot {
    this.#lease = lease;
    clearInterval(this.#timer);
    this.#timer = this.#options.clock.setInterval(() => void this.#renew(), RENEW_MS);
    this.#timer.unref();
    const { engine, alternatives } = lease;
    return { engine, containerId: engine.containerId, lease: lease.lease, alternatives };
  }

  async #renew(): Promise<void> {
    if (this.#lease === null) return;
    try {
      await this.#options.pool.renew(this.#lease);
      await this.#admitRing();
      await this.#admitStream();
    } catch {
      // Redis is away or the limit was lowered: a stream that runs keeps its slot.
    }
  }

  /** Before Redis is full: a new stream is refused, one that plays only tells what it needs. */
  async #admitRing(): Promise<void> {
    const { owners, ownership, bounds, ring, totalBytes, spread, plays } = this.#options;
    const fill = ring();
    const wanted = footprint(ringNeed(fill, bounds));
    const { reserved, free } = await owners.reserveRing(ownership.stream, {
      ...{ wanted, held: footprint(fill.bytes), total: totalBytes, spread, runs: plays() },
    });
    if (!reserved) throw new AppError('REDIS_FULL', { needed: wanted, free });
  }

  async #admitStream(): Promise<void> {
    const { owners, ownership, maxStreams, clock } = this.#options;
    if (maxStreams === 0 || (await owners.admit(ownership.stream, maxStreams, clock.now()))) return;
    throw new AppError('STREAM_LIMIT', { limit: maxStreams });
  }
}
