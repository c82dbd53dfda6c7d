import type { Redis } from 'ioredis';
import { expect } from 'chai';
import type { ClientId, StreamId, WorkerId } from '../../src/shared/ids.js';
import type { Keys } from '../../src/shared/redis/keys.js';
import type { Ownership } from '../../src/shared/redis/owner-store.js';
import { RedisReaper } from '../../src/shared/redis/reaper.js';
import type { RingStore } from '../../src/shared/redis/ring-store.js';
import { makeStores, type WorkerStores } from './scripted-redis.js';

/**
 * What a simulated worker believes. Its commands reach Redis in the order in which it sent them, but
 * for chunks, which have a connection of their own.
 */
export interface ModelWorker {
  stores: WorkerStores;
  own: Ownership | null;
  /** It has begun a stop: it renews no more and only ends the stream. */
  stopping: 'idle' | 'forced' | null;
  /** Somebody asked for the end of the stream. */
  asked: boolean;
  /** Redis came back empty: it will restore itself. */
  restoring: boolean;
  nextIndex: number;
  outbox: Sent[];
  readonly chunks: Sent[];
}

/** A command under way, and what follows when it gets lost. */
interface Sent {
  readonly run: () => Promise<void>;
  readonly lost: () => void;
}

/** The keys that decide, as they stand between two steps. */
export interface Facts {
  readonly owner: string | null;
  readonly term: number | null;
  readonly life: string | null;
  readonly head: number;
  readonly stopping: boolean;
  readonly stopRequest: string | null;
  readonly clients: readonly string[];
}

/** Several workers and one stream on a real Redis: who believes what, and what is under way. */
export class CoordinationBase {
  readonly workers: ModelWorker[] = [];
  /** Commands of dead workers that Redis has not read yet. */
  readonly lateCommands: Sent[] = [];
  /** Clients that were told that they joined → the worker that serves them. */
  readonly served = new Map<ClientId, ModelWorker>();
  /** Served clients that a flush made Redis forget, until the next pulse of their worker. */
  readonly forgotten = new Set<ClientId>();
  /** Clients with a command under way: their player does nothing else meanwhile. */
  readonly pending = new Set<ClientId>();
  /** Clients of dead workers, whose leases have not run out. */
  readonly orphans = new Set<ClientId>();
  protected readonly stream: StreamId;
  protected now = 1_000;
  readonly #redis: Redis;
  readonly #keys: Keys;
  #births = 0;
  #steps = 0;

  constructor(redis: Redis, keys: Keys, stream: StreamId, workers: number) {
    this.#redis = redis;
    this.#keys = keys;
    this.stream = stream;
    for (let n = 0; n < workers; n++) this.workers.push(this.#newWorker());
  }

  /** Sends all that the worker still has to send, then the step; or only notes the step. */
  async act(worker: ModelWorker, late: boolean, run: Sent['run'], lost = nothing): Promise<void> {
    worker.outbox.push({ run, lost });
    if (!late) await this.deliver(worker.outbox);
  }

  /** A player's command: the next one waits for it. */
  async actFor(
    client: ClientId,
    worker: ModelWorker,
    late: boolean,
    run: Sent['run'],
  ): Promise<void> {
    this.pending.add(client);
    const done = (): void => void this.pending.delete(client);
    const lost = (): void => {
      done();
      // Its lease runs out, if it ever had one.
      if (!this.served.has(client)) this.orphans.add(client);
    };
    await this.act(worker, late, () => run().finally(done), lost);
  }

  /** Commands that reached Redis. */
  get stepsTaken(): number {
    return this.#steps;
  }

  async deliver(outbox: Sent[], count = Infinity): Promise<void> {
    for (let n = 0; n < count && outbox.length > 0; n++) {
      this.#steps++;
      await outbox.shift()?.run();
    }
  }

  /** The worker's connection breaks: nothing of what is under way arrives. */
  lose(worker: ModelWorker): void {
    for (const { lost } of worker.outbox.splice(0)) lost();
    worker.chunks.length = 0;
  }

  /** Workers that died, until their primary has freed what they held. */
  readonly dead: WorkerId[] = [];

  /** The process dies; what it sent may still be read. A new process takes its place. */
  crash(worker: ModelWorker): void {
    this.dead.push(worker.stores.worker);
    this.lateCommands.push(...worker.outbox, ...worker.chunks);
    for (const [client, holder] of this.served) {
      if (holder !== worker) continue;
      this.served.delete(client);
      this.orphans.add(client);
    }
    Object.assign(worker, this.#newWorker());
  }

  /** A primary frees what a dead worker held; a living worker's lock and clients are left alone. */
  async reap(): Promise<void> {
    const worker = this.dead.shift();
    if (worker === undefined) return;
    const before = await this.facts();
    const reaper = new RedisReaper(this.#redis, this.#keys);
    await reaper.reap(worker, [{ stream: this.stream, term: 0 }]);
    const after = await this.facts();
    expect(after.owner, 'the lock after a reap').to.equal(
      before.owner === worker ? null : before.owner,
    );
    if (before.owner === worker) expect(after.stopping, 'a stop after a reap').to.equal(false);
    await reaper.dropClients(worker, ++this.now);
    const served = [...this.served.keys()].filter((client) => !this.forgotten.has(client));
    expect((await this.facts()).clients, 'viewers after a reap').to.include.members(served);
  }

  /** Somebody asks for the stop of the stream, whoever owns it. */
  async askToStop(): Promise<void> {
    await this.#redis.set(this.#names.stopRequest, 'model', 'PX', 60_000);
  }

  async expireStopRequest(): Promise<void> {
    await this.#redis.del(this.#names.stopRequest);
  }

  /** The follower reads the ring on the connection of nobody else. */
  ringStore(): RingStore {
    return makeStores(this.#redis, this.#keys, 'follower').ring;
  }

  /** What the owners have listed is of no use to the next schedule. */
  async unlist(): Promise<void> {
    await this.#redis.srem(this.#keys.streams, this.stream);
  }

  async expireLock(): Promise<void> {
    await this.#redis.del(this.#names.owner);
  }

  /** Its life equals that of the lock and begins later, so that it never ends first. */
  async expireStopping(): Promise<void> {
    if ((await this.facts()).owner === null) await this.#redis.del(this.#names.stopping);
  }

  async expireOrphans(): Promise<void> {
    for (const client of this.orphans) {
      await this.#redis.del(this.#names.client(client));
    }
    this.orphans.clear();
    await this.workers[0]?.stores.clients.reap(this.stream, ++this.now);
  }

  async flush(): Promise<void> {
    const all = await this.#redis.keys(`ace_proxy:stream:${this.stream}*`);
    if (all.length > 0) await this.#redis.del(...all);
    for (const client of this.served.keys()) this.forgotten.add(client);
    this.orphans.clear();
  }

  async facts(): Promise<Facts> {
    const names = this.#names;
    const results = await this.#redis
      .pipeline()
      .get(names.owner)
      .get(names.term)
      .hget(names.metadata, 'init_time')
      .get(names.index)
      .exists(names.stopping)
      .get(names.stopRequest)
      .smembers(names.clients)
      .exec();
    const [owner, term, life, head, stopping, stopRequest, clients] = (results ?? []).map(
      ([, value]) => value,
    );
    return {
      owner: owner as string | null,
      term: term === null ? null : Number(term),
      life: life as string | null,
      head: Number(head),
      stopping: stopping === 1,
      stopRequest: stopRequest as string | null,
      clients: clients as string[],
    };
  }

  /** No key of the stream lives for ever. */
  async expectMortal(): Promise<void> {
    for (const key of await this.dump()) {
      expect(await this.#redis.pttl(key), `life of ${key}`).to.be.greaterThan(0);
    }
  }

  /** Names of the stream's keys. */
  async dump(): Promise<string[]> {
    return (await this.#redis.keys(`ace_proxy:stream:${this.stream}*`)).toSorted();
  }

  get #names() {
    return this.#keys.stream(this.stream);
  }

  #newWorker(): ModelWorker {
    const stores = makeStores(this.#redis, this.#keys, `m${String(++this.#births)}`);
    return {
      stores,
      own: null,
      stopping: null,
      asked: false,
      restoring: false,
      nextIndex: 1,
      outbox: [],
      chunks: [],
    };
  }
}

export function nothing(): void {
  return;
}
