import { expect } from 'chai';
import type { Redis } from 'ioredis';
import type { WorkerId } from '../../../src/shared/ids.js';
import type { EngineRecord } from '../../../src/shared/redis/engine-records.js';
import { freshHealth } from '../../../src/worker/engine/engine-health.js';
import { until } from '../../helpers/until.js';
import { keys, openStore, record, type StoreFixture } from './redis-fixture.js';

const MINE = 'config:h:8000:12345678';
const SILENT = 'config:silent:8000:12345678';
const ALIVE = 'config:alive:8000:12345678';

describe('the registry of the engines', () => {
  let fixture: StoreFixture;
  let subscriber: Redis;
  let heard: string[];
  before(async () => {
    fixture = await openStore();
    subscriber = fixture.redis.duplicate({ enableOfflineQueue: true });
    subscriber.on('message', (_channel, message: string) => heard.push(message));
    await subscriber.subscribe(keys.events);
  });
  after(async () => {
    subscriber.disconnect();
    await fixture.close();
  });
  beforeEach(async () => {
    await fixture.redis.flushall();
    heard = [];
  });

  /** What was said on the channel since the last call. */
  const events = async (): Promise<unknown[]> => {
    await fixture.redis.publish(keys.events, 'end');
    await until('all was heard', () => heard.at(-1) === 'end');
    return heard
      .splice(0)
      .slice(0, -1)
      .map((message) => JSON.parse(message) as unknown);
  };
  const registry = async (): Promise<Record<string, unknown>> => {
    const texts = Object.entries(await fixture.redis.hgetall(keys.registry));
    return Object.fromEntries(texts.map(([id, text]) => [id, JSON.parse(text) as unknown]));
  };
  const known = async (): Promise<Record<string, string[]>> => ({
    health: (await fixture.redis.hkeys(keys.health)).sort(),
    assigned: await fixture.redis.zrange(keys.assigned, '0', '-1'),
    removed: (await fixture.redis.smembers(keys.removed)).sort(),
  });
  /** Everything that can be known of these engines, but for the records themselves. */
  const know = async (...ids: string[]): Promise<void> => {
    await fixture.redis.hset(keys.health, Object.fromEntries(ids.map((id) => [id, 'ill'])));
    await fixture.redis.zadd(keys.assigned, ...ids.flatMap((id, i) => [i, id]));
  };
  const put = (...records: object[]): Promise<unknown> =>
    fixture.redis.hset(
      keys.registry,
      Object.fromEntries(
        records.map((each) => [(each as { id: string }).id, JSON.stringify(each)]),
      ),
    );

  it('takes an engine by hand: a new one in its first state, and a known one anew', async () => {
    await put(record('b'));
    await know('a', 'b');
    await fixture.redis.sadd(keys.removed, 'a', 'b');
    expect(await fixture.store.register(record('a'))).to.equal(true);
    expect(await registry()).to.deep.equal({ a: record('a'), b: record('b') });
    const left = { health: ['b'], assigned: ['a', 'b'], removed: ['b'] };
    expect(await known()).to.deep.equal(left);
    const moved = record('b', { port: 9, source: 'api' });
    expect(await fixture.store.register(moved)).to.equal(false);
    expect(await registry()).to.deep.equal({ a: record('a'), b: moved });
    expect(await known()).to.deep.equal({ ...left, health: [], removed: [] });
    expect(await events()).to.deep.equal([
      { type: 'engine_registered', engine: 'a' },
      { type: 'engine_registered', engine: 'b' },
    ]);
  });

  it('lets one engine go by hand with all that is known of it, and remembers that', async () => {
    await put(record('a'), record('b'));
    await know('a', 'b', 'c');
    expect(await fixture.store.remove('a')).to.equal(true);
    expect(await registry()).to.deep.equal({ b: record('b') });
    const left = { health: ['b', 'c'], assigned: ['b', 'c'], removed: ['a'] };
    expect(await known()).to.deep.equal(left);
    expect(await fixture.store.remove('a')).to.equal(false);
    expect(await fixture.store.remove('c')).to.equal(false);
    expect(await known()).to.deep.equal(left);
    expect(await events()).to.deep.equal([{ type: 'engine_removed', engine: 'a' }]);
  });

  it('drains one engine and changes nothing else of it', async () => {
    await put(record('a', { forwarded: true, max: 3, containerId: 'c' }), record('b'));
    expect(await fixture.store.drain('a', true)).to.equal(true);
    const a = record('a', { forwarded: true, max: 3, containerId: 'c', draining: true });
    expect(await registry()).to.deep.equal({ a, b: record('b') });
    expect(await fixture.store.drain('a', false)).to.equal(true);
    expect(await registry()).to.deep.equal({ a: { ...a, draining: false }, b: record('b') });
    expect(await fixture.store.drain('c', true)).to.equal(false);
    expect(await events()).to.deep.equal([
      { type: 'engine_draining', engine: 'a', draining: true },
      { type: 'engine_draining', engine: 'a', draining: false },
    ]);
  });

  it('has no engine to drain where the record cannot be read', async () => {
    const broken = { a: 'not json', b: '"text"', c: 'null' };
    await fixture.redis.hset(keys.registry, broken);
    for (const id of ['a', 'b', 'c']) expect(await fixture.store.drain(id, true)).to.equal(false);
    expect(await fixture.redis.hgetall(keys.registry)).to.deep.equal(broken);
    expect(await events()).to.deep.equal([]);
  });

  it('lists what can be read, and no record that stands under another name', async () => {
    await put(record('a'), record('b'));
    await fixture.redis.hset(keys.registry, { c: '{}', d: '"text"', e: '5', f: 'not json' });
    await fixture.redis.hset(keys.registry, 'g', JSON.stringify(record('a')));
    const ids = (await fixture.store.list()).map((engine) => engine.record.id);
    expect(ids).to.deep.equal(['a', 'b']);
  });

  it('takes the health of an engine only from who knew what was there, and of none that is gone', async () => {
    const first = freshHealth(1);
    const second = freshHealth(2);
    const entry = await fixture.store.readHealth('a');
    expect(await fixture.store.swapHealth('a', entry, first)).to.equal('gone');
    expect(await known()).to.deep.include({ health: [] });
    await put(record('a'), record('b'));
    expect(await fixture.store.swapHealth('a', entry, first)).to.equal('written');
    expect(await fixture.store.swapHealth('a', entry, second)).to.equal('stale');
    const now = await fixture.store.readHealth('a');
    expect(now.health).to.deep.equal(first);
    expect(await fixture.store.swapHealth('b', now, second)).to.equal('stale');
    expect(await fixture.store.swapHealth('a', now, second)).to.equal('written');
    expect((await fixture.store.readHealth('a')).health).to.deep.equal(second);
    expect(await known()).to.deep.include({ health: ['a'] });
    expect(await registry()).to.deep.equal({ a: record('a'), b: record('b') });
  });

  it('has one keeper, for as long as it says and no longer', async () => {
    const [a, b] = ['h:1:aa', 'h:2:bb'] as WorkerId[];
    expect(await fixture.store.keep(a!, 60_000)).to.equal(true);
    expect(await fixture.store.keep(b!, 90_000)).to.equal(false);
    expect(await fixture.redis.get(keys.keeper)).to.equal(a);
    expect(await fixture.redis.pttl(keys.keeper)).to.be.within(30_000, 60_000);
    expect(await fixture.store.keep(a!, 120_000)).to.equal(true);
    expect(await fixture.redis.pttl(keys.keeper)).to.be.within(90_000, 120_000);
    await fixture.store.leave(b!);
    expect(await fixture.redis.get(keys.keeper)).to.equal(a);
    await fixture.store.leave(a!);
    expect(await fixture.redis.exists(keys.keeper)).to.equal(0);
    await fixture.store.leave(a!);
    expect(await fixture.store.keep(b!, 60_000)).to.equal(true);
  });

  describe('made equal to the list of a source', () => {
    const mine = (id: string, changes: Partial<EngineRecord> = {}): EngineRecord =>
      record(id, { source: MINE, ...changes });
    const sync = (...records: EngineRecord[]) => fixture.store.sync(MINE, records);
    const CHANGED = { type: 'engines_changed', source: MINE };

    it('has what is on it, tells of it once, and is left as it is by a list that says the same', async () => {
      expect(await sync(mine('a'), mine('b', { max: 2 }))).to.deep.equal({ away: [], taken: [] });
      expect(await registry()).to.deep.equal({ a: mine('a'), b: mine('b', { max: 2 }) });
      expect(await events()).to.deep.equal([CHANGED]);
      const texts = await fixture.redis.hgetall(keys.registry);
      await sync(mine('a'), mine('b', { max: 2 }));
      expect(await fixture.redis.hgetall(keys.registry)).to.deep.equal(texts);
      expect(await events()).to.deep.equal([]);
    });

    it('forgets the health of an engine that moved, and of no other', async () => {
      await put(mine('a'), mine('b'), mine('c'), mine('d'));
      await know('a', 'b', 'c', 'd');
      const list = [
        mine('a', { host: 'x' }),
        mine('b', { port: 1 }),
        mine('c', { max: 1 }),
        mine('d'),
      ];
      await sync(...list);
      expect(Object.values(await registry())).to.have.deep.members(list);
      expect(await known()).to.deep.include({ health: ['c', 'd'], assigned: ['a', 'b', 'c', 'd'] });
      expect(await events()).to.deep.equal([CHANGED]);
    });

    it('loses what is no longer on it with all that is known of it, and nothing of others', async () => {
      await fixture.store.sync(ALIVE, [record('c', { source: ALIVE })]);
      await put(...['a', 'e', 'f', 'b', 'g', 'h'].map((id) => mine(id)));
      await put(record('d', { source: 'api' }));
      await know('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h');
      await events();
      await sync(mine('b'));
      expect(Object.keys(await registry())).to.have.members(['b', 'c', 'd']);
      expect(await known()).to.deep.equal({
        ...{ health: ['b', 'c', 'd'], assigned: ['b', 'c', 'd'], removed: [] },
      });
      expect(await events()).to.deep.equal([CHANGED]);
    });

    it('has nothing that was removed by hand, and says what stays away', async () => {
      await fixture.redis.sadd(keys.removed, 'a', 'c');
      const { away, taken } = await sync(mine('a'), mine('b'), mine('c'));
      expect({ away, taken }).to.deep.equal({ away: ['a', 'c'], taken: [] });
      expect(await registry()).to.deep.equal({ b: mine('b') });
    });

    it('leaves the engine of another source as it is, and says when it is not the same one', async () => {
      const others = ['a', 'b', 'c'].map((id) => record(id, { source: 'api' }));
      await put(...others);
      await know('a', 'b', 'c');
      const { taken } = await sync(
        mine('a', { host: 'x' }),
        mine('b', { max: 7 }),
        mine('c', { port: 1 }),
      );
      expect(taken).to.deep.equal(['a', 'c']);
      expect(Object.values(await registry())).to.have.deep.members(others);
      expect(await known()).to.deep.include({ health: ['a', 'b', 'c'] });
      expect(await events()).to.deep.equal([]);
    });

    it('speaks for configurations that were silent for ten seconds, by the clock of Redis', async () => {
      const before = await redisNow(fixture.redis);
      const all = [record('a', { source: SILENT }), record('b', { source: ALIVE })];
      await put(...all, record('c', { source: 'orchestrator' }));
      await fixture.redis.zadd(keys.sources, before - 10_000, SILENT, before - 9_000, ALIVE);
      await sync();
      expect(Object.keys(await registry())).to.have.members(['b', 'c']);
      expect(await fixture.redis.zscore(keys.sources, SILENT)).to.equal(null);
      expect(await fixture.redis.zscore(keys.sources, ALIVE)).to.equal(String(before - 9_000));
      const called = Number(await fixture.redis.zscore(keys.sources, MINE));
      expect(called).to.be.within(before, await redisNow(fixture.redis));
    });

    it('leaves a record alone that names no source, and one that cannot be read', async () => {
      await put({ ...mine('a'), source: 5 }, { ...mine('b'), source: null }, { id: 'c' });
      await fixture.redis.hset(keys.registry, { d: 'not json', f: '"text"', g: '5', h: 'null' });
      await sync(mine('e'));
      expect(await fixture.redis.hkeys(keys.registry)).to.have.members([
        'a',
        'b',
        'c',
        'd',
        'e',
        'f',
        'g',
        'h',
      ]);
    });

    it('keeps the draining flag of an operator and repairs the record around it', async () => {
      await put({ ...mine('a', { draining: true }), extra: 1 }, { id: 'b', source: MINE });
      await sync(mine('a'), mine('b'));
      expect(await registry()).to.deep.equal({ a: mine('a', { draining: true }), b: mine('b') });
      expect(await events()).to.deep.equal([CHANGED]);
    });
  });
});

async function redisNow(redis: Redis): Promise<number> {
  const [seconds, micros] = await redis.time();
  return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
}
