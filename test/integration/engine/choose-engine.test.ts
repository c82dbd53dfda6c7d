import { expect } from 'chai';
import type { StreamId, WorkerId } from '../../../src/shared/ids.js';
import { freshHealth } from '../../../src/worker/engine/engine-health.js';
import { keys, openStore, record, type StoreFixture } from './redis-fixture.js';

describe('the choice of an engine', () => {
  let fixture: StoreFixture;
  before(async () => {
    fixture = await openStore();
  });
  after(() => fixture.close());
  beforeEach(() => fixture.redis.flushall());

  /** The engine for the stream of this number, under a lease of its own. */
  const takeNth = async (n: number): Promise<string> => {
    const stream = n.toString(16).padStart(40, '0') as StreamId;
    const worker = 'h:1:aa' as WorkerId;
    const wanted = { lease: `l${String(n)}`, stream, worker, term: 1 };
    const limits = { exclude: [], ttlMs: 60_000, defaultMax: 4 };
    const result = await fixture.store.reserve({ ...wanted, ...limits });
    return result.ok ? result.engine.id : JSON.stringify(result.reasons);
  };
  const judge = async (id: string, score: number, agoMs: number): Promise<void> => {
    const health = { ...freshHealth(Date.now() - agoMs), score };
    await fixture.store.swapHealth(id, await fixture.store.readHealth(id), health);
  };

  it('takes engines with a bad score last among equals, and in turn again when it has faded', async () => {
    await fixture.store.sync('test', [record('a'), record('b'), record('c', { forwarded: true })]);
    await judge('a', 0.3, 0);
    await judge('c', 0.1, 0);
    expect([await takeNth(1), await takeNth(2), await takeNth(3)]).to.deep.equal(['c', 'b', 'a']);
    for (const n of [1, 2, 3]) await fixture.store.release(`l${n}`);
    expect([await takeNth(4), await takeNth(5)]).to.deep.equal(['c', 'b']);
    for (const n of [4, 5]) await fixture.store.release(`l${n}`);
    await judge('a', 0.3, 600_000);
    expect([await takeNth(6), await takeNth(7)]).to.deep.equal(['c', 'a']);
  });

  it('halves a bad mark in five minutes, and one from the future not at all', async () => {
    const marks = [
      { score: 0, ago: 290_000, chosen: 'b' },
      { score: 0, ago: 310_000, chosen: 'a' },
      { score: 0.3, ago: 120_000, chosen: 'b' },
      { score: 0.3, ago: 180_000, chosen: 'a' },
      { score: 0.49, ago: -600_000, chosen: 'b' },
      { score: 0.5, ago: -600_000, chosen: 'a' },
    ];
    for (const { score, ago, chosen } of marks) {
      await fixture.redis.flushall();
      await fixture.store.sync('test', [record('a'), record('b')]);
      await judge('a', score, ago);
      expect(await takeNth(1), `${String(score)}, ${String(ago)} ms ago`).to.equal(chosen);
    }
  });

  it('is not misled by a name that is a number', async () => {
    await fixture.store.sync('test', [record('4'), record('1'), record('60000')]);
    expect([await takeNth(1), await takeNth(2), await takeNth(3)]).to.deep.equal([
      '1',
      '4',
      '60000',
    ]);
  });

  it('remembers when it was, by the clock of Redis', async () => {
    await fixture.store.sync('test', [record('a'), record('b')]);
    await fixture.redis.zadd(keys.assigned, 1, 'b');
    const redisNow = async (): Promise<number> => {
      const [seconds, micros] = await fixture.redis.time();
      return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
    };
    const before = await redisNow();
    expect(await takeNth(1)).to.equal('a');
    const assigned = (await fixture.store.list()).map(({ assignedAt }) => assignedAt);
    expect(assigned[0]).to.be.within(before, await redisNow());
    expect(assigned[1]).to.equal(1);
  });
});
