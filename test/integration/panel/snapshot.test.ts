import { expect } from 'chai';
import { systemClock } from '../../../src/shared/clock.js';
import { SnapshotStore } from '../../../src/shared/redis/snapshot-store.js';
import { openRedisFixture, type RedisFixture } from '../../helpers/redis-fixture.js';
import {
  CLIENT,
  OTHER_CLIENT,
  OTHER_STREAM,
  seedClient,
  seedStream,
  STARTED_AT,
  STREAM,
  WORKER,
} from '../../helpers/seed-stream.js';

describe('SnapshotStore', () => {
  let fixture: RedisFixture;
  let store: SnapshotStore;

  before(async () => {
    fixture = await openRedisFixture();
    store = new SnapshotStore({ redis: fixture.redis, keys: fixture.keys, clock: systemClock });
  });

  afterEach(() => fixture.redis.flushall());

  after(() => fixture.close());

  it('is empty where nothing runs', async () => {
    const { streams, ended, workers, clients, redis } = await store.read({ clients: true });
    expect({ streams, ended, workers, clients }).to.deep.equal({
      streams: [],
      ended: [],
      workers: [],
      clients: [],
    });
    expect(redis)
      .to.include({ available: true })
      .and.to.have.property('version')
      .that.is.a('string');
  });

  it('shows streams with their story, newest entries last, and without what is no entry', async () => {
    const { redis, keys } = fixture;
    await seedStream(redis, keys, STREAM, {
      metadata: { buffer_seconds: '12.5', continuity_errors: '2' },
    });
    const entries = Array.from({ length: 20 }, (_, at) => ({
      at,
      what: `step ${String(at)}`,
      why: '',
    }));
    await redis.rpush(keys.stream(STREAM).story, ...entries.map((entry) => JSON.stringify(entry)));
    await redis.rpush(keys.stream(STREAM).story, 'no JSON', '{"at":"x"}');
    const [stream] = (await store.read({ clients: false })).streams!;
    expect(stream).to.include({
      key: STREAM,
      state: 'active',
      owner: WORKER,
      head: 12,
      ring_seconds: 12.5,
      continuity_errors: 2,
      stopping: false,
    });
    expect(stream!.story.at(-1)).to.deep.equal(entries.at(-1));
    expect(stream!.story).to.have.length(10);
  });

  it('shows players only when it is asked to, and none whose lease ran out', async () => {
    const { redis, keys } = fixture;
    await seedStream(redis, keys, STREAM);
    await seedStream(redis, keys, OTHER_STREAM);
    await seedClient(redis, keys, CLIENT);
    await seedClient(redis, keys, OTHER_CLIENT, { stream: OTHER_STREAM });
    await redis.hset(keys.stream(STREAM).client(CLIENT), { skips: '3', behind_ms: '1500' });
    await redis.sadd(keys.stream(STREAM).clients, '2'.repeat(24));
    const { clients } = await store.read({ clients: true });
    expect(clients!.map(({ id, stream }) => [id, stream])).to.deep.equal([
      [CLIENT, STREAM],
      [OTHER_CLIENT, OTHER_STREAM],
    ]);
    expect(clients![0]).to.include({ ip_address: '192.0.2.1', skips: 3, behind_ms: 1_500 });
    expect(await store.read({ clients: false })).to.not.have.property('clients');
  });

  it('shows the workers of all hosts that have a heartbeat', async () => {
    const { redis, keys } = fixture;
    await redis.zadd(keys.workers, STARTED_AT, WORKER, STARTED_AT, 'host:9:dead');
    await redis.set(
      keys.heartbeat(WORKER),
      JSON.stringify({
        at: 5,
        clients: 2,
        streams: 1,
        rssBytes: 3,
        eventLoopLagMs: 4,
        rateKBps: 6,
      }),
    );
    expect((await store.read({ clients: false })).workers).to.deep.equal([
      {
        id: WORKER,
        at: 5,
        clients: 2,
        streams: 1,
        event_loop_lag_ms: 4,
        rss_bytes: 3,
        rate_KBps: 6,
      },
    ]);
  });

  it('forgets a stream whose metadata are gone', async () => {
    await fixture.redis.sadd(fixture.keys.streams, STREAM, 'no stream at all');
    expect((await store.read({ clients: true })).streams).to.deep.equal([]);
  });
});
