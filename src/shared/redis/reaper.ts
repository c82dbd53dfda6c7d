import type { Redis } from 'ioredis';
import type { StreamId, WorkerId } from '../ids.js';
import type { StreamEvent } from './events.js';
import type { Keys } from './keys.js';
import { defineScript, type Script } from './scripts.js';

/** Frees what a dead worker held, at once: its locks, its engine slots, its sign of life. */
export class RedisReaper {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #yieldLock: Script;
  readonly #releaseSlots: Script;

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
    this.#yieldLock = defineScript(redis, 'yieldOwner-2');
    this.#releaseSlots = defineScript(redis, 'releaseWorker-1');
  }

  /** `owned` is what the worker reported; locks it took in its last moment are found by the list. */
  async reap(
    worker: WorkerId,
    owned: readonly { readonly stream: StreamId; readonly term: number }[],
  ): Promise<void> {
    const terms = new Map(owned.map(({ stream, term }) => [stream, term]));
    const listed = (await this.#redis.smembers(this.#keys.streams)) as StreamId[];
    for (const stream of listed) if (!terms.has(stream)) terms.set(stream, 0);
    await Promise.all([...terms].map(([stream, term]) => this.#free(worker, stream, term)));
    await this.#releaseSlots([this.#keys.engines.reservations], [worker]);
    await this.#redis.unlink(this.#keys.heartbeat(worker));
  }

  async #free(worker: WorkerId, stream: StreamId, term: number): Promise<void> {
    const keys = this.#keys.stream(stream);
    const event: StreamEvent = { type: 'owner_changed', owner: '', term, reason: 'worker died' };
    await this.#yieldLock(
      [keys.owner, keys.metadata],
      [worker, keys.events, JSON.stringify(event)],
    );
  }
}
