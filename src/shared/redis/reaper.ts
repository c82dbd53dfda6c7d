import type { ClientId, StreamId, WorkerId } from '../ids.js';
import type { RedisClient } from './client.js';
import type { StreamEvent } from './events.js';
import type { Keys } from './keys.js';
import { readRedisTime } from './redis-time.js';
import { defineScript, type Script } from './scripts.js';

/** ms that the time of the last leave is kept: far longer than any grace period is needed for. */
const LAST_LEAVE_MS = 60_000;

/** Frees what a dead worker held, at once: its locks, its engine slots, its sign of life. */
export class RedisReaper {
  readonly #redis: RedisClient;
  readonly #keys: Keys;
  readonly #yieldLock: Script;
  readonly #releaseSlots: Script;
  readonly #leave: Script;

  constructor(redis: RedisClient, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
    this.#yieldLock = defineScript(redis, 'yieldOwner-3');
    this.#releaseSlots = defineScript(redis, 'releaseWorker-1');
    this.#leave = defineScript(redis, 'leaveStream-5');
  }

  /** `owned` is what the worker reported; locks it took in its last moment are found by the list. */
  async reap(
    worker: WorkerId,
    owned: readonly { readonly stream: StreamId; readonly term: number }[],
  ): Promise<void> {
    const terms = new Map(owned.map(({ stream, term }) => [stream, term]));
    for (const stream of await this.#listed()) if (!terms.has(stream)) terms.set(stream, 0);
    await Promise.all([...terms].map(([stream, term]) => this.#free(worker, stream, term)));
    await this.#releaseSlots([this.#keys.engines.reservations], [worker]);
    await this.#redis.unlink(this.#keys.heartbeat(worker));
  }

  /**
   * Takes leave for the clients of a dead worker that nobody adopted; to be called when adopters have
   * had their time. Their leases would keep the stream for as long as they last. `now`: ms by Redis'
   * clock, by which all hosts count grace periods.
   */
  async dropClients(worker: WorkerId, now?: number): Promise<void> {
    const leftAt = now ?? (await readRedisTime(this.#redis));
    for (const stream of await this.#listed()) {
      const clients = (await this.#redis.smembers(this.#keys.stream(stream).clients)) as ClientId[];
      await Promise.all(clients.map((client) => this.#drop(worker, stream, client, leftAt)));
    }
  }

  async #drop(worker: WorkerId, stream: StreamId, client: ClientId, now: number): Promise<void> {
    const keys = this.#keys.stream(stream);
    // It may be another worker's client, also by the time of the script.
    if ((await this.#redis.hget(keys.client(client), 'worker_id')) !== worker) return;
    const left = (await this.#leave(
      [
        keys.clients,
        keys.client(client),
        keys.clientStop(client),
        keys.lastClientDisconnect,
        keys.metadata,
      ],
      [client, worker, now, LAST_LEAVE_MS],
    )) as number;
    if (left < 0) return;
    await this.#redis.zrem(this.#keys.admittedClients, client);
    const event: StreamEvent = { type: 'client_disconnected', client, clients: left };
    await this.#redis.publish(keys.events, JSON.stringify(event));
  }

  async #listed(): Promise<StreamId[]> {
    return (await this.#redis.smembers(this.#keys.streams)) as StreamId[];
  }

  async #free(worker: WorkerId, stream: StreamId, term: number): Promise<void> {
    const keys = this.#keys.stream(stream);
    const event: StreamEvent = { type: 'owner_changed', owner: '', term, reason: 'worker died' };
    await this.#yieldLock(
      [keys.owner, keys.metadata, keys.stopping],
      [worker, keys.events, JSON.stringify(event)],
    );
  }
}
