import { expect } from 'chai';
import type { ClientId } from '../../src/shared/ids.js';
import type { Ownership } from '../../src/shared/redis/owner-store.js';
import { CoordinationBase, nothing, type Facts, type ModelWorker } from './coordination-base.js';
import { ModelFollower } from './model-follower.js';
import { append, join, type WorkerStores } from './scripted-redis.js';

/** The steps of the model, each with what must be true of its answer. */
export class CoordinationWorld extends CoordinationBase {
  /** A worker that watches the ring, by notices that may get lost. */
  readonly follower: ModelFollower;
  /** Newest term of each life that Redis remembers. */
  readonly #granted = new Map<string, number>();

  constructor(...parts: ConstructorParameters<typeof CoordinationBase>) {
    super(...parts);
    this.follower = new ModelFollower(this.stream, this.ringStore());
  }

  override async flush(): Promise<void> {
    await super.flush();
    this.#granted.clear();
  }

  acquire(worker: ModelWorker) {
    const { stores } = worker;
    return async (): Promise<void> => {
      const before = await this.facts();
      const answer = await stores.owners.acquire(this.stream, 'id', ++this.now);
      const mine = before.owner === stores.worker;
      const free = (before.owner === null || mine) && !before.stopping;
      expect(answer.outcome === 'won', 'a lock is won when it is free').to.equal(free);
      if (answer.outcome !== 'won') return;
      const { life, term } = answer.ownership;
      if (before.life !== null) expect(life, 'a takeover continues the life').to.equal(before.life);
      expect(term, 'terms grow').to.be.greaterThan(this.#granted.get(life) ?? 0);
      this.#granted.set(life, term);
      if (worker.stores !== stores) return;
      Object.assign(worker, {
        own: answer.ownership,
        stopping: null,
        restoring: false,
        asked: false,
      });
      worker.nextIndex = before.head + 1;
    };
  }

  /** Puts the lock into the name of another worker, which wins it when it comes to it. */
  transfer(worker: ModelWorker, own: Ownership, to: ModelWorker) {
    const { stores } = worker;
    const target = to.stores.worker;
    return async (): Promise<void> => {
      const before = await this.facts();
      const left = { rest: Buffer.alloc(0), tables: '' };
      const given = await stores.owners.transfer(own, target, left);
      expect(given, 'a transfer').to.equal(this.#holds(before, stores, own));
      if (given) expect(await this.facts()).to.include({ owner: target, stopping: false });
      if (worker.own === own) worker.own = null;
    };
  }

  renew(worker: ModelWorker, own: Ownership) {
    const { stores } = worker;
    return async (): Promise<void> => {
      const before = await this.facts();
      const answer = await stores.owners.renew(own, { pulse: ++this.now });
      const { outcome } = answer;
      const expected = !this.#mayBe(before, stores, own)
        ? 'lost'
        : before.term === null
          ? 'gone'
          : 'renewed';
      expect(outcome, 'a renewal').to.equal(expected);
      if (answer.outcome === 'renewed') {
        this.#expectNewest(own);
        expect(answer.stopRequest, 'the request for a stop').to.equal(before.stopRequest);
        expect(answer.clients, 'the census').to.equal(before.clients.length);
      }
      if (worker.own !== own) return;
      if (outcome === 'lost') worker.own = null;
      worker.asked = answer.outcome === 'renewed' && answer.stopRequest !== null;
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
      if (restored) this.#granted.set(own.life, own.term);
      if (worker.own !== own) return;
      worker.restoring = false;
      if (!restored) worker.own = null;
    };
  }

  async append(worker: ModelWorker, own: Ownership, late: boolean): Promise<void> {
    worker.chunks.push({ run: this.#append(worker, own), lost: nothing });
    worker.nextIndex++;
    if (!late) await this.deliver(worker.chunks);
  }

  #append({ stores, nextIndex: index }: ModelWorker, own: Ownership) {
    return async (): Promise<void> => {
      const before = await this.facts();
      const at = ++this.now;
      const accepted = await append(stores, own, index, [], at);
      if (accepted && index > before.head) this.follower.published(index, own.term, at);
      const mine = this.#holds(before, stores, own);
      expect(accepted, 'an append').to.equal(mine);
      const { head, marks } = await stores.ring.snapshot(this.stream);
      expect(head, 'the head').to.equal(accepted ? Math.max(before.head, index) : before.head);
      const terms = marks.map(({ t }) => t);
      expect(terms, 'terms along the ring').to.deep.equal(terms.toSorted((a, b) => a - b));
    };
  }

  join(worker: ModelWorker, client: ClientId) {
    const { stores } = worker;
    return async (): Promise<void> => {
      const before = await this.facts();
      const { joined } = await join(stores, this.stream, client, ++this.now);
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
      const first = await stores.clients.leave(this.stream, client, ++this.now);
      const between = await this.dump();
      expect(await stores.clients.leave(this.stream, client, ++this.now)).to.equal(first);
      expect(await this.dump(), 'a second leave').to.deep.equal(between);
    };
  }

  /** A worker that handed the client over says that it left. */
  leaveTooLate(worker: ModelWorker, client: ClientId) {
    const { stores } = worker;
    return async (): Promise<void> => {
      const holder = this.served.get(client);
      if (holder === undefined || holder.stores === stores || this.forgotten.has(client)) return;
      expect(await stores.clients.leave(this.stream, client, ++this.now)).to.equal(null);
      expect((await this.facts()).clients).to.include(client);
    };
  }

  beginStop(worker: ModelWorker, own: Ownership, forced: boolean) {
    const { stores } = worker;
    return async (): Promise<void> => {
      const before = await this.facts();
      const options = { now: ++this.now, graceMs: 0, forced, idleSince: this.now };
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
      const freed = await stores.owners.yieldLock(this.stream, event);
      expect(freed, 'a yield').to.equal(before.owner === stores.worker);
      if (freed) expect((await this.facts()).stopping, 'a stop after a yield').to.equal(false);
      if (worker.stores === stores) worker.own = null;
    };
  }

  pulse(worker: ModelWorker) {
    const { stores } = worker;
    return async (): Promise<void> => {
      const mine = [...this.served].filter(([, holder]) => holder.stores === stores);
      const fixed = { connectedAt: 0, ip: '', userAgent: '', lastActive: 0, bytesSent: 0 };
      const pulses = mine.map(([client]) => ({
        ...{ client, stream: this.stream, chunksSent: 0, averageRate: 0, currentRate: 0 },
        ...fixed,
      }));
      await stores.clients.pulse(pulses, { now: ++this.now, limited: false });
      // One that comes back into a stop that has begun without it has come too late.
      if ((await this.facts()).stopping) return;
      for (const [client] of mine) this.forgotten.delete(client);
    };
  }

  #registered(): ClientId[] {
    return [...this.served.keys()].filter((client) => !this.forgotten.has(client));
  }

  #holds(facts: Facts, stores: WorkerStores, own: Ownership): boolean {
    const { owner, term, life } = facts;
    return owner === stores.worker && term === own.term && life === own.life;
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
