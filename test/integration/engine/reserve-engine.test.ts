import { expect } from 'chai';
import fc from 'fast-check';
import type { StreamId, WorkerId } from '../../../src/shared/ids.js';
import type {
  EngineRecord,
  NoEngineReasons,
  ReserveRequest,
} from '../../../src/shared/redis/engine-records.js';
import { makeKeys } from '../../../src/shared/redis/keys.js';
import { RedisReaper } from '../../../src/shared/redis/reaper.js';
import { freshHealth } from '../../../src/worker/engine/engine-health.js';
import { keys, openStore, record, type StoreFixture } from './redis-fixture.js';

const streamOf = (n: number): StreamId => n.toString(16).padStart(40, '0') as StreamId;
const WORKER = 'h:1:aa' as WorkerId;

function request(lease: string, changes: Partial<ReserveRequest> = {}): ReserveRequest {
  return {
    lease,
    stream: streamOf(1),
    worker: WORKER,
    term: 1,
    exclude: [],
    ttlMs: 60_000,
    defaultMax: 4,
    ...changes,
  };
}

describe('the reservation of an engine', () => {
  let fixture: StoreFixture;
  before(async () => {
    fixture = await openStore();
  });
  after(() => fixture.close());
  beforeEach(() => fixture.redis.flushall());

  const take = async (lease: string, changes: Partial<ReserveRequest> = {}): Promise<string> => {
    const result = await fixture.store.reserve(request(lease, changes));
    return result.ok ? result.engine.id : JSON.stringify(result.reasons);
  };
  const takeNth = (n: number): Promise<string> => take(`l${n}`, { stream: streamOf(n) });

  it('takes the fewest streams, then forwarded, then the longest unassigned', async () => {
    await fixture.store.sync('test', [record('a'), record('b', { forwarded: true }), record('c')]);
    expect([await takeNth(1), await takeNth(2), await takeNth(3)]).to.deep.equal(['b', 'a', 'c']);
    await fixture.store.release('l2');
    await fixture.store.release('l3');
    expect([await takeNth(4), await takeNth(5)]).to.deep.equal(['a', 'c']);
    expect(await takeNth(6)).to.equal('b');
  });

  it('takes each of equals in turn, also within one millisecond', async () => {
    await fixture.store.sync(
      'test',
      ['a', 'b', 'c'].map((id) => record(id)),
    );
    const order = [];
    for (let n = 0; n < 9; n += 1) {
      order.push(await takeNth(n));
      await fixture.store.release(`l${n}`);
    }
    expect(order.join('')).to.equal('abcabcabc');
  });

  it('gives no slot twice when a hundred ask at once', async () => {
    await fixture.store.sync('test', [record('a', { max: 7 }), record('b')]);
    const all = await Promise.all(Array.from({ length: 100 }, (_, n) => takeNth(n)));
    expect(all.filter((id) => id === 'a')).to.have.length(7);
    expect(all.filter((id) => id === 'b')).to.have.length(4);
    expect(all.at(-1)).to.equal(
      JSON.stringify({ total: 2, draining: 0, unhealthy: 0, excluded: 0, full: 2 }),
    );
  });

  it('gives the same engine again when its answer was lost', async () => {
    await fixture.store.sync('test', [record('a'), record('b')]);
    expect([await take('l1'), await take('l1')]).to.deep.equal(['a', 'a']);
    expect(await fixture.store.reserve(request('l1'))).to.include({ alternatives: 0 });
    expect(await fixture.redis.hlen(keys.reservations)).to.equal(1);
  });

  it('is released once, by its lease', async () => {
    await fixture.store.sync('test', [record('a', { max: 1 })]);
    await take('l1');
    expect(await fixture.store.release('l1')).to.be.true;
    expect(await take('l2', { stream: streamOf(2) })).to.equal('a');
    expect(await fixture.store.release('l1')).to.be.false;
    expect(await take('l3', { stream: streamOf(3) })).to.contain('"full":1');
  });

  it('runs out by itself, and is renewed or made again', async () => {
    await fixture.store.sync('test', [record('a', { max: 1 })]);
    await take('l1', { ttlMs: 1 });
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await take('l2', { stream: streamOf(2) })).to.equal('a');
    const renewal = { ...request('l2', { stream: streamOf(2) }), engine: 'a' };
    expect(await fixture.store.renew(renewal)).to.equal('renewed');
    await fixture.redis.del(keys.reservations);
    const redisNow = async (): Promise<number> => {
      const [seconds, micros] = await fixture.redis.time();
      return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
    };
    const before = await redisNow();
    expect(await fixture.store.renew(renewal)).to.equal('restored');
    expect(await take('l3')).to.contain('"full":1');
    const made = JSON.parse((await fixture.redis.hget(keys.reservations, 'l2')) ?? '') as object;
    const { expiresAt, ...rest } = made as { expiresAt: number };
    const { stream, worker, term } = renewal;
    expect(rest).to.deep.equal({ engine: 'a', stream, worker, term });
    expect(expiresAt - 60_000).to.be.within(before, await redisNow());
  });

  it('says how many engines were free besides the one that was taken', async () => {
    await fixture.store.sync('test', [record('a', { max: 1 }), record('b'), record('c')]);
    const free: unknown[] = [];
    for (const n of [1, 2, 3, 4]) {
      const taken = await fixture.store.reserve(request(`l${String(n)}`, { stream: streamOf(n) }));
      free.push(taken.ok && taken.alternatives);
    }
    expect(free).to.deep.equal([2, 1, 1, 1]);
  });

  it('frees what an older term of the stream held, and nothing of a newer one', async () => {
    await fixture.store.sync('test', [record('a', { max: 1 })]);
    await take('l1', { term: 7 });
    expect(await take('l2', { term: 7 })).to.contain('"full":1');
    expect(await take('l2', { term: 6 })).to.contain('"full":1');
    expect(await take('l2', { term: 8 })).to.equal('a');
    expect(await fixture.redis.hkeys(keys.reservations)).to.deep.equal(['l2']);
  });

  it('is dropped with its dead worker', async () => {
    await fixture.store.sync('test', [record('a')]);
    for (const n of [3, 4, 5]) await takeNth(n);
    await fixture.store.release('l3');
    await take('l2', { stream: streamOf(2), worker: 'h:2:bb' as WorkerId });
    await takeNth(6);
    await fixture.redis.hset(keys.reservations, 'x', 'not json', 'y', 'null');
    const reaper = new RedisReaper(fixture.redis, makeKeys({ hashTags: false }));
    await reaper.reap(WORKER, []);
    expect(await fixture.redis.hkeys(keys.reservations)).to.have.members(['l2', 'x', 'y']);
    await fixture.redis.hdel(keys.reservations, 'x', 'y');
    expect(await fixture.redis.hkeys(keys.reservations)).to.deep.equal(['l2']);
  });

  it('survives entries that are not ours', async () => {
    await fixture.store.sync('test', [record('a')]);
    await fixture.redis.hset(keys.registry, '0', 'not json');
    await fixture.redis.hset(keys.health, 'a', '"text"');
    await fixture.redis.hset(keys.reservations, 'y', 'null', 'z', '{"expiresAt":9e12}');
    await fixture.redis.hset(keys.reservations, {
      noTerm: JSON.stringify({ stream: streamOf(1), expiresAt: 9e12 }),
      strangeTerm: JSON.stringify({ stream: streamOf(1), term: 'x', expiresAt: 9e12 }),
      strangeExpiry: JSON.stringify({ stream: streamOf(2), term: 1, expiresAt: 'soon' }),
    });
    expect(await take('l1')).to.equal('a');
    expect(await fixture.redis.hkeys(keys.reservations)).to.have.members(['z', 'l1']);
    expect(await take('l2', { stream: streamOf(2), exclude: ['a'] })).to.equal(
      JSON.stringify({ total: 1, draining: 0, unhealthy: 0, excluded: 1, full: 0 }),
    );
    await fixture.redis.hset(keys.health, 'a', '{"healthy":true,"score":"x","scoredAt":"y"}');
    expect(await take('l2', { stream: streamOf(2) })).to.equal('a');
    expect((await fixture.store.list()).map((entry) => entry.record.id)).to.deep.equal(['a']);
  });

  it('is what a plain model chooses, over any registry', async () => {
    const engine = fc.record({
      forwarded: fc.boolean(),
      max: fc.option(fc.integer({ min: 1, max: 3 }), { nil: null }),
      draining: boolean(5),
      withheld: boolean(5),
      healthy: fc.constantFrom(true, true, true, false, null),
      assigned: fc.option(fc.integer({ min: 1, max: 4 }), { nil: null }),
    });
    const held = fc.record({
      engine: fc.nat(7),
      stream: fc.integer({ min: 1, max: 4 }),
      term: fc.integer({ min: 1, max: 3 }),
      expired: boolean(4),
    });
    const calls = fc.array(
      fc.record({
        stream: fc.integer({ min: 1, max: 4 }),
        term: fc.integer({ min: 1, max: 3 }),
        exclude: fc.uniqueArray(fc.nat(5), { maxLength: 2 }),
      }),
      { minLength: 1, maxLength: 6 },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(engine, { maxLength: 6 }),
        fc.array(held, { maxLength: 8 }),
        calls,
        async (engines, reservations, requests) => {
          await fixture.redis.flushall();
          const model = new Model();
          engines.forEach(({ healthy, assigned, ...changes }, i) => {
            model.engines.set(`e${i}`, { record: record(`e${i}`, changes), healthy, assigned });
          });
          reservations.forEach(({ engine: of, ...rest }, i) => {
            model.held.set(`h${i}`, { ...rest, engine: `e${of}` });
          });
          await model.store(fixture);
          for (const [n, { stream, term, exclude }] of requests.entries()) {
            const wanted = request(`l${n}`, {
              stream: streamOf(stream),
              term,
              exclude: exclude.map((i) => `e${i}`),
              defaultMax: 2,
            });
            const result = await fixture.store.reserve(wanted);
            const expected = model.reserve(`l${n}`, stream, term, wanted.exclude, 2);
            expect(result.ok ? result.engine.id : result.reasons).to.deep.equal(expected);
          }
          const leases = await fixture.redis.hkeys(keys.reservations);
          expect(leases.sort()).to.deep.equal([...model.held.keys()].sort());
        },
      ),
      { numRuns: 300 },
    );
  });
});

function boolean(oneIn: number): fc.Arbitrary<boolean> {
  return fc.nat(oneIn - 1).map((n) => n === 0);
}

interface ModelEngine {
  readonly record: EngineRecord;
  readonly healthy: boolean | null;
  assigned: number | null;
}

interface ModelLease {
  readonly engine: string;
  readonly stream: number;
  readonly term: number;
  readonly expired: boolean;
}

/** The rules of spec 3.1, written as they are read. */
class Model {
  readonly engines = new Map<string, ModelEngine>();
  readonly held = new Map<string, ModelLease>();
  #turn = 1_000;

  reserve(
    lease: string,
    stream: number,
    term: number,
    exclude: readonly string[],
    defaultMax: number,
  ): string | NoEngineReasons {
    for (const [id, held] of this.held) {
      if (held.expired || (held.stream === stream && held.term < term)) this.held.delete(id);
    }
    const load = (id: string): number =>
      [...this.held.values()].filter(({ engine }) => engine === id).length;
    const reasons = { total: 0, draining: 0, unhealthy: 0, excluded: 0, full: 0 };
    const free: ModelEngine[] = [];
    for (const engine of this.engines.values()) {
      const { id, draining, withheld, max } = engine.record;
      reasons.total += 1;
      if (draining || withheld) reasons.draining += 1;
      else if (engine.healthy === false) reasons.unhealthy += 1;
      else if (exclude.includes(id)) reasons.excluded += 1;
      else if (load(id) >= (max ?? defaultMax)) reasons.full += 1;
      else free.push(engine);
    }
    const [best] = free.sort(
      (a, b) =>
        load(a.record.id) - load(b.record.id) ||
        Number(b.record.forwarded) - Number(a.record.forwarded) ||
        (a.assigned ?? 0) - (b.assigned ?? 0) ||
        (a.record.id < b.record.id ? -1 : 1),
    );
    if (best === undefined) return reasons;
    best.assigned = this.#turn += 1;
    this.held.set(lease, { engine: best.record.id, stream, term, expired: false });
    return best.record.id;
  }

  async store({ redis, store }: StoreFixture): Promise<void> {
    const now = Date.now();
    await store.sync(
      'test',
      [...this.engines.values()].map((engine) => engine.record),
    );
    for (const [id, { healthy, assigned }] of this.engines) {
      if (healthy !== null) {
        await redis.hset(keys.health, id, JSON.stringify({ ...freshHealth(now), healthy }));
      }
      if (assigned !== null) await redis.zadd(keys.assigned, assigned, id);
    }
    for (const [lease, { expired, stream, ...rest }] of this.held) {
      const expiresAt = now + (expired ? -1_000 : 60_000);
      const held = { ...rest, stream: streamOf(stream), worker: WORKER, expiresAt };
      await redis.hset(keys.reservations, lease, JSON.stringify(held));
    }
  }
}
