import { expect } from 'chai';
import type { EngineAddress } from '../../../src/shared/config/settings.js';
import { AppError } from '../../../src/shared/errors.js';
import type { StreamId, WorkerId } from '../../../src/shared/ids.js';
import { silentLogger } from '../../helpers/silent-logger.js';
import { EngineFaultKind, type EngineEnd } from '../../../src/worker/contracts.js';
import type { EngineListing } from '../../../src/worker/engine/engine-listing.js';
import {
  configSource,
  EnginePool,
  type EnginePoolDeps,
} from '../../../src/worker/engine/engine-pool.js';
import type { EngineRecord, ReserveRequest } from '../../../src/shared/redis/engine-records.js';
import { RedisEngineStore } from '../../../src/shared/redis/engine-store.js';
import { startRedis } from '../../helpers/redis-server.js';
import { until } from '../../helpers/until.js';
import { keys, openStore, record, type StoreFixture } from './redis-fixture.js';

const STREAM = 'ef'.repeat(20) as StreamId;
const address = (id: string, changes: Partial<EngineAddress> = {}): EngineAddress => ({
  id,
  host: '127.0.0.1',
  port: 6_878,
  forwarded: false,
  max: null,
  ...changes,
});
const fault = (kind: EngineFaultKind, reason: string): EngineEnd => ({
  kind,
  reason,
  message: 'm',
});

describe('the engine pool', () => {
  let fixture: StoreFixture;
  let pools: EnginePool[];
  before(async () => {
    fixture = await openStore();
  });
  after(() => fixture.close());
  beforeEach(async () => {
    pools = [];
    await fixture.redis.flushall();
  });
  afterEach(() => Promise.all(pools.map((pool) => pool.stop())));

  const open = async (changes: Partial<EnginePoolDeps> = {}): Promise<EnginePool> => {
    const pool = new EnginePool({
      store: fixture.store,
      log: silentLogger,
      worker: 'h:1:aa' as WorkerId,
      source: 'config:h:8000',
      configured: [address('a'), address('b', { forwarded: true, max: 1 })],
      maxStreamsPerEngine: 4,
      ...changes,
    });
    pools.push(pool);
    await pool.start();
    return pool;
  };
  const ids = async (pool: EnginePool): Promise<string[]> =>
    (await pool.list()).map(({ id }) => id);
  const one = async (pool: EnginePool, id: string): Promise<EngineListing> => {
    const found = (await pool.list()).find((engine) => engine.id === id);
    if (found === undefined) throw new Error(`no engine ${id}`);
    return found;
  };

  it('reserves, renews, releases and shows its load', async () => {
    const pool = await open();
    const answer = await pool.reserve({ stream: STREAM, term: 1 });
    if (!answer.ok) throw new Error('no engine');
    expect(answer.lease.engine).to.deep.include({ id: 'b', forwarded: true, max: 1 });
    expect(await one(pool, 'b')).to.deep.include({
      load: 1,
      streams: [STREAM],
      max_streams: 1,
      healthy: true,
      score: 1,
      source: 'config:h:8000',
    });
    await pool.renew(answer.lease);
    await pool.release(answer.lease.lease);
    await pool.release(answer.lease.lease);
    expect((await one(pool, 'b')).load).to.equal(0);
    expect((await one(pool, 'a')).max_streams).to.equal(4);
  });

  it('says why there is no engine', async () => {
    const pool = await open();
    await pool.drain('a');
    const answer = await pool.reserve({ stream: STREAM, term: 1, exclude: ['b'] });
    expect(answer).to.deep.equal({
      ok: false,
      reasons: { total: 2, draining: 1, unhealthy: 0, excluded: 1, full: 0 },
    });
    await pool.undrain('a');
    expect((await pool.reserve({ stream: STREAM, term: 1, exclude: ['b'] })).ok).to.be.true;
  });

  it('knows its engines again when Redis came back empty, at once for who asks', async () => {
    const pool = await open();
    await fixture.redis.flushall();
    expect((await pool.reserve({ stream: STREAM, term: 1 })).ok).to.be.true;
    await fixture.redis.flushall();
    await until('the engines are back', async () => (await ids(pool)).length === 2, 2_000);
  });

  it('keeps the draining flag of a configured engine and takes its other changes over', async () => {
    const pool = await open();
    await pool.drain('a');
    await open({ configured: [address('a', { port: 7_000 })] });
    await pool.stop();
    expect(await one(pool, 'a')).to.include({ draining: true, port: 7_000 });
    expect(await ids(pool)).to.deep.equal(['a']);
  });

  it('registers its engines beside a record that cannot be read, and over one', async () => {
    await fixture.redis.hset(keys.registry, 'broken', '{not json', 'a', 'nor this');
    expect(await ids(await open())).to.deep.equal(['a', 'b']);
    expect(await fixture.redis.hget(keys.registry, 'broken')).to.equal('{not json');
  });

  it('leaves the engines of other sources alone', async () => {
    const pool = await open();
    await fixture.store.sync('orchestrator', [record('o', { source: 'orchestrator' })]);
    await fixture.store.sync('orchestrator', [
      record('o', { source: 'orchestrator' }),
      record('a', { source: 'orchestrator', port: 1 }),
    ]);
    expect(await ids(pool)).to.deep.equal(['a', 'b', 'o']);
    expect((await one(pool, 'a')).port).to.equal(6_878);
    await fixture.store.sync('orchestrator', []);
    expect(await ids(pool)).to.deep.equal(['a', 'b']);
  });

  it('does not bring back what was removed by hand, until it is registered by hand', async () => {
    const pool = await open();
    expect(await pool.remove('a')).to.be.true;
    expect(await pool.remove('a')).to.be.false;
    await new Promise((resolve) => setTimeout(resolve, 1_300));
    expect(await ids(pool)).to.deep.equal(['b']);
    expect(await pool.register(address('a', { port: 9 }))).to.be.true;
    expect(await one(pool, 'a')).to.include({ port: 9, source: 'api' });
    expect(await pool.register(address('a', { port: 10 }))).to.be.false;
  });

  it('says nothing on the channel while nothing changes', async () => {
    const subscriber = fixture.redis.duplicate({ enableOfflineQueue: true });
    const heard: string[] = [];
    subscriber.on('message', (_channel, message: string) => heard.push(message));
    await subscriber.subscribe(keys.events);
    const pool = await open();
    await pool.drain('a');
    await until('two events', () => heard.length === 2);
    await new Promise((resolve) => setTimeout(resolve, 1_300));
    subscriber.disconnect();
    expect(heard.map((message) => (JSON.parse(message) as { type: string }).type)).to.deep.equal([
      'engines_changed',
      'engine_draining',
    ]);
  });

  it('counts every report when many workers report at once', async () => {
    const all = await Promise.all([open(), open(), open()]);
    const pool = all[0];
    await Promise.all(
      all.map((each) => each.reportFault('a', fault(EngineFaultKind.Engine, 'http-500'))),
    );
    expect(await one(pool, 'a')).to.include({ failures: 3, healthy: false });
    const excluded = await pool.reserve({ stream: STREAM, term: 1, exclude: ['b'] });
    expect(excluded).to.deep.include({ ok: false });
    await pool.reportSuccess('a');
    expect(await one(pool, 'a')).to.include({ failures: 0, healthy: true });
  });

  it('does not hold the content against an engine, and forgets engines that are gone', async () => {
    const pool = await open();
    await pool.reportFault('a', fault(EngineFaultKind.Content, 'load-failed'));
    await pool.reportFault('nobody', fault(EngineFaultKind.Engine, 'refused'));
    expect(await fixture.redis.hlen(keys.health)).to.equal(0);
  });

  it('leaves an engine that refuses connections out at once', async () => {
    const pool = await open();
    await pool.reportFault('a', fault(EngineFaultKind.Engine, 'refused'));
    await pool.reportFault('b', fault(EngineFaultKind.Engine, 'refused'));
    expect(await pool.reserve({ stream: STREAM, term: 1 })).to.deep.equal({
      ok: false,
      reasons: { total: 2, draining: 0, unhealthy: 2, excluded: 0, full: 0 },
    });
  });
});

describe('the engine pools of two hosts', () => {
  let fixture: StoreFixture;
  before(async () => {
    fixture = await openStore();
  });
  after(() => fixture.close());
  beforeEach(() => fixture.redis.flushall());

  const a = { ...record('a'), source: configSource('twin', 8_000, [address('a')]) };
  const b = { ...record('b'), source: configSource('twin', 8_000, [address('b')]) };
  const sync = (each: EngineRecord) => fixture.store.sync(each.source, [each]);
  const ids = async (): Promise<string[]> =>
    (await fixture.store.list()).map(({ record: { id } }) => id);
  /** As if this source had been silent for so long. */
  const silence = (source: string) => fixture.redis.zadd(keys.sources, Date.now() - 10_500, source);

  it('leave each other their engines, although the hosts have one name', async () => {
    for (let round = 0; round < 3; round++) {
      await sync(a);
      await sync(b);
    }
    expect(await ids()).to.deep.equal(['a', 'b']);
  });

  it('drop what only a host listed that is gone, with what is known of it', async () => {
    await sync(a);
    await sync(b);
    await silence(a.source);
    await sync(b);
    expect(await ids()).to.deep.equal(['b']);
  });

  it('take over what a host listed that is gone, with its draining flag', async () => {
    await sync(a);
    await fixture.store.drain('a', true);
    const heir = { ...a, source: b.source };
    await sync(heir);
    expect((await fixture.store.list())[0]?.record.source).to.equal(a.source);
    await silence(a.source);
    await sync(heir);
    const [engine] = await fixture.store.list();
    expect(engine?.record).to.include({ source: b.source, draining: true });
  });

  it('tell of a name that means another engine elsewhere, and keep what an operator registered', async () => {
    await sync(a);
    expect(await sync({ ...a, port: 9, source: b.source })).to.deep.equal({
      away: [],
      taken: ['a'],
    });
    await fixture.store.register({ ...record('c'), source: 'api' });
    await silence(a.source);
    await sync(b);
    expect(await ids()).to.deep.equal(['b', 'c']);
  });
});

describe('the engine pool with a Redis whose answers get lost', () => {
  class LossyStore extends RedisEngineStore {
    lostReleases = 0;
    override async reserve(request: ReserveRequest): Promise<never> {
      await super.reserve(request);
      throw new Error('Command timed out');
    }
    override async release(lease: string): Promise<boolean> {
      if (this.lostReleases-- > 0) throw new Error('Connection is closed.');
      return super.release(lease);
    }
  }
  it('holds no slot that nobody knows of', () => expectNoSlot(0));
  it('holds none either when the connection is gone by then', () => expectNoSlot(1));

  async function expectNoSlot(lostReleases: number): Promise<void> {
    const fixture = await openStore();
    const store = Object.assign(new LossyStore(fixture.redis, keys), { lostReleases });
    const pool = new EnginePool({
      ...{ store, log: silentLogger, worker: 'h:1:aa' as WorkerId },
      source: 'config:h:8000',
      configured: [address('a')],
      maxStreamsPerEngine: 4,
    });
    try {
      await pool.start();
      const thrown: unknown = await pool
        .reserve({ stream: STREAM, term: 1 })
        .catch((error: unknown) => error);
      expect(thrown).to.have.property('code', 'REDIS_UNAVAILABLE');
      await until('the slot is free', async () => (await pool.list())[0]?.load === 0);
    } finally {
      await pool.stop();
      await fixture.close();
    }
  }
});

describe('the engine pool without Redis', () => {
  it('says so, and starts by itself when Redis comes', async () => {
    const fixture = await openStore();
    await fixture.server.kill();
    const pool = new EnginePool({
      store: fixture.store,
      log: silentLogger,
      worker: 'h:1:aa' as WorkerId,
      source: 'config:h:8000',
      configured: [address('a')],
      maxStreamsPerEngine: 4,
    });
    try {
      await pool.start();
      const thrown: unknown = await pool
        .reserve({ stream: STREAM, term: 1 })
        .catch((e: unknown) => e);
      expect(thrown).to.be.instanceOf(AppError).and.have.property('code', 'REDIS_UNAVAILABLE');
      await pool.release('l');
      await pool.reportSuccess('a');
      const server = await startRedis({ port: fixture.server.port });
      try {
        await until('the engine is there', async () =>
          (await pool.list().catch(() => [])).some(({ id }) => id === 'a'),
        );
      } finally {
        await pool.stop();
        await fixture.close();
        await server.stop();
      }
    } finally {
      await pool.stop();
    }
  });
});
