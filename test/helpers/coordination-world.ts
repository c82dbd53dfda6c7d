import { expect } from 'chai';
import type { Redis } from 'ioredis';
import type { ClientId, StreamId } from '../../src/shared/ids.js';
import type { Keys } from '../../src/shared/redis/keys.js';
import type { Ownership } from '../../src/shared/redis/owner-store.js';
import { append, join, makeStores, type WorkerStores } from './scripted-redis.js';

/** What a simulated worker believes. Its commands reach Redis in the order in which it sent them. */
export interface ModelWorker {
  stores: WorkerStores;
  own: Ownership | null;
  /** It has begun a stop: it renews no more and only ends the stream. */
  stopping: 'idle' | 'forced' | null;
  /** Redis came back empty: it will restore itself. */
  restoring: boolean;
  nextIndex: number;
  outbox: Sent[];
}

/** A command under way, and what follows when it gets lost. */
interface Sent {
  readonly run: () => Promise<void>;
  readonly lost: () => void;
}

/** The keys that decide, as they stand between two steps. */
interface Facts {
  readonly owner: string | null;
  readonly term: number | null;
  readonly life: string | null;
  readonly head: number;
  readonly stopping: boolean;
  readonly clients: readonly string[];
}

/** Several workers and one stream on a real Redis, with everything that was ever granted. */
export class CoordinationWorld {
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
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #stream: StreamId;
  readonly #granted = new Map<string, number>();
  #births = 0;
  #steps = 0;
  #now = 1_000;

  constructor(redis: Redis, keys: Keys, stream: StreamId, workers: number) {
    this.#redis = redis;
    this.#keys = keys;
    this.#stream = stream;
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
  }

  acquire(worker: ModelWorker) {
    const { stores } = worker;
    return async (): Promise<void> => {
      const before = await this.facts();
      const answer = await stores.owners.acquire(this.#stream, 'id', ++this.#now);
      const free = before.owner === null && !before.stopping;
      expect(answer.outcome === 'won', 'a lock is won when it is free').to.equal(free);
      if (answer.outcome !== 'won') return;
      const { life, term } = answer.ownership;
      if (before.life !== null) expect(life, 'a takeover continues the life').to.equal(before.life);
      expect(term, 'terms grow').to.be.greaterThan(this.#granted.get(life) ?? 0);
      this.#granted.set(life, term);
      if (worker.stores !== stores) return;
      Object.assign(worker, { own: answer.ownership, stopping: null, restoring: false });
      worker.nextIndex = before.head + 1;
    };
  }

  renew(worker: ModelWorker, own: Ownership) {
    const { stores } = worker;
    return async (): Promise<void> => {
      const before = await this.facts();
      const { outcome } = await stores.owners.renew(own, { pulse: ++this.#now });
      const expected = !this.#mayBe(before, stores, own)
        ? 'lost'
        : before.term === null
          ? 'gone'
          : 'renewed';
      expect(outcome, 'a renewal').to.equal(expected);
      if (outcome === 'renewed') this.#expectNewest(own);
      if (worker.own !== own) return;
      if (outcome === 'lost') worker.own = null;
      worker.restoring = outcome === 'gone';
    };
  }

  restore(worker: ModelWorker, own: Ownership) {
    const { stores } = worker;
    return async (): Promise<void> => {
      const before = await this.facts();
      const fields = { init_time: own.life, state: 'active' };
      const restored = await stores.owners.restore(own, fields);
      expect(restored, 'a restore').to.equal(this.#mayBe(before, stores, own));
      if (restored) this.#expectNewest(own);
      if (worker.own !== own) return;
      worker.restoring = false;
      if (!restored) worker.own = null;
    };
  }

  append(worker: ModelWorker, own: Ownership) {
    const { stores } = worker;
    const index = worker.nextIndex++;
    return async (): Promise<void> => {
      const before = await this.facts();
      const accepted = await append(stores, own, index);
      expect(accepted, 'an append').to.equal(this.#holds(before, stores, own));
      const { head, marks } = await stores.ring.snapshot(this.#stream);
      expect(head, 'the head').to.equal(accepted ? Math.max(before.head, index) : before.head);
      const terms = marks.map(({ t }) => t);
      expect(terms, 'terms along the ring').to.deep.equal(terms.toSorted((a, b) => a - b));
    };
  }

  join(worker: ModelWorker, client: ClientId) {
    const { stores } = worker;
    return async (): Promise<void> => {
      const before = await this.facts();
      const { joined } = await join(stores, this.#stream, client, ++this.#now);
      expect(joined, 'a join').to.equal(!before.stopping);
      if (!joined) return;
      this.forgotten.delete(client);
      if (worker.stores === stores) {
        this.served.set(client, worker);
        this.orphans.delete(client);
      } else {
        // The worker died before it saw the answer.
        this.served.delete(client);
        this.orphans.add(client);
      }
    };
  }

  /** The worker sees its player go; it says so twice, as it does when it cannot know. */
  leave(worker: ModelWorker, client: ClientId) {
    const { stores } = worker;
    this.served.delete(client);
    this.forgotten.delete(client);
    return async (): Promise<void> => {
      const first = await stores.clients.leave(this.#stream, client, ++this.#now);
      const between = await this.dump();
      expect(await stores.clients.leave(this.#stream, client, ++this.#now)).to.equal(first);
      expect(await this.dump(), 'a second leave').to.deep.equal(between);
    };
  }

  /** A worker that handed the client over says that it left. */
  leaveTooLate(worker: ModelWorker, client: ClientId) {
    const { stores } = worker;
    return async (): Promise<void> => {
      const holder = this.served.get(client);
      if (holder === undefined || holder.stores === stores || this.forgotten.has(client)) return;
      expect(await stores.clients.leave(this.#stream, client, ++this.#now)).to.equal(null);
      expect((await this.facts()).clients).to.include(client);
    };
  }

  beginStop(worker: ModelWorker, own: Ownership, forced: boolean) {
    const { stores } = worker;
    return async (): Promise<void> => {
      const before = await this.facts();
      const options = { now: ++this.#now, graceMs: 0, forced, idleSince: this.#now };
      const answer = await stores.owners.beginStop(own, options);
      const holds = this.#holds(before, stores, own);
      const watched = before.clients.length > 0 && !forced;
      expect(answer, 'a stop').to.equal(!holds ? 'lost' : watched ? 'watched' : 'begun');
      if (answer === 'begun' && !forced)
        expect(this.#registered(), 'viewers at a stop').to.deep.equal([]);
      if (worker.own !== own) return;
      if (answer === 'begun') worker.stopping = forced ? 'forced' : 'idle';
      if (answer === 'lost') worker.own = null;
    };
  }

  end(worker: ModelWorker, own: Ownership) {
    const { stores, stopping } = worker;
    return async (): Promise<void> => {
      const before = await this.facts();
      const ended = await stores.owners.end(own, { type: 'stream_stopped', reason: 'model' });
      expect(ended, 'an end').to.equal(this.#holds(before, stores, own));
      if (worker.own === own) Object.assign(worker, { own: null, stopping: null });
      if (!ended) return;
      if (stopping === 'idle') expect(this.#registered(), 'viewers at an end').to.deep.equal([]);
      expect(await this.dump(), 'what an end leaves').to.deep.equal([]);
      for (const client of this.served.keys()) this.forgotten.add(client);
      this.orphans.clear();
    };
  }

  yieldLock(worker: ModelWorker) {
    const { stores } = worker;
    return async (): Promise<void> => {
      const before = await this.facts();
      const event = { type: 'owner_changed', owner: '', term: 0, reason: 'model' } as const;
      const freed = await stores.owners.yieldLock(this.#stream, event);
      expect(freed, 'a yield').to.equal(before.owner === stores.worker);
      if (worker.stores === stores) worker.own = null;
    };
  }

  pulse(worker: ModelWorker) {
    const { stores } = worker;
    return async (): Promise<void> => {
      const mine = [...this.served].filter(([, holder]) => holder.stores === stores);
      const fixed = { connectedAt: 0, ip: '', userAgent: '', lastActive: 0, bytesSent: 0 };
      const pulses = mine.map(([client]) => ({
        ...{ client, stream: this.#stream, chunksSent: 0, averageRate: 0, currentRate: 0 },
        ...fixed,
      }));
      const options = { now: ++this.#now, heartbeatTtlMs: 60_000, limited: false };
      await stores.clients.pulse(pulses, options);
      for (const [client] of mine) this.forgotten.delete(client);
    };
  }

  /** The process dies; what it sent may still be read. A new process takes its place. */
  crash(worker: ModelWorker): void {
    this.lateCommands.push(...worker.outbox);
    for (const [client, holder] of this.served) {
      if (holder !== worker) continue;
      this.served.delete(client);
      this.orphans.add(client);
    }
    Object.assign(worker, this.#newWorker());
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
    await this.workers[0]?.stores.clients.reap(this.#stream, ++this.#now);
  }

  async flush(): Promise<void> {
    const all = await this.#redis.keys(`ace_proxy:stream:${this.#stream}*`);
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
      .smembers(names.clients)
      .exec();
    const [owner, term, life, head, stopping, clients] = (results ?? []).map(([, value]) => value);
    return {
      owner: owner as string | null,
      term: term === null ? null : Number(term),
      life: life as string | null,
      head: Number(head),
      stopping: stopping === 1,
      clients: clients as string[],
    };
  }

  /** Names of the stream's keys. */
  async dump(): Promise<string[]> {
    return (await this.#redis.keys(`ace_proxy:stream:${this.#stream}*`)).toSorted();
  }

  get #names() {
    return this.#keys.stream(this.#stream);
  }

  #newWorker(): ModelWorker {
    const stores = makeStores(this.#redis, this.#keys, `m${String(++this.#births)}`);
    return { stores, own: null, stopping: null, restoring: false, nextIndex: 1, outbox: [] };
  }

  #registered(): ClientId[] {
    return [...this.served.keys()].filter((client) => !this.forgotten.has(client));
  }

  #holds(facts: Facts, stores: WorkerStores, own: Ownership): boolean {
    return facts.owner === stores.worker && facts.term === own.term;
  }

  /** Nobody else has won since, as far as Redis remembers. */
  #mayBe(facts: Facts, stores: WorkerStores, own: Ownership): boolean {
    return (
      (facts.owner === null || facts.owner === stores.worker) &&
      (facts.term === null || facts.term === own.term) &&
      (facts.life === null || facts.life === own.life)
    );
  }

  #expectNewest(own: Ownership): void {
    expect(own.term, 'the newest term of its life').to.equal(this.#granted.get(own.life));
  }
}

function nothing(): void {
  return;
}
