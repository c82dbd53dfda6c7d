import { expect } from 'chai';
import type { Redis } from 'ioredis';
import type { ClientId, StreamId } from '../../../src/shared/ids.js';
import type { OpsRedis } from '../../../src/shared/inspect/inspect-redis.js';
import { cleanOrphans, findOrphans, removeUnowned } from '../../../src/shared/inspect/orphans.js';
import { listClients, listStreams, showStream } from '../../../src/shared/inspect/read-model.js';
import { requestKick, requestStop } from '../../../src/shared/inspect/requests.js';
import { endedStreamView } from '../../../src/shared/inspect/stream-view.js';
import { untilReady } from '../../../src/shared/redis/connections.js';
import { parseStreamEvent } from '../../../src/shared/redis/events.js';
import type { Keys } from '../../../src/shared/redis/keys.js';
import { opsRedis } from '../../../src/shared/redis/ops-connection.js';
import { openRedisFixture, type RedisFixture } from '../../helpers/redis-fixture.js';
import {
  CLIENT,
  DEAD_WORKER,
  OTHER_CLIENT,
  OTHER_STREAM,
  seedClient,
  seedHeartbeat,
  seedStream,
  STARTED_AT,
  STREAM,
  WORKER,
} from '../../helpers/seed-stream.js';
import { until } from '../../helpers/until.js';

for (const hashTags of [false, true]) {
  describe(`the read model ${hashTags ? 'with' : 'without'} hash tags`, () => {
    let fixture: RedisFixture;
    let redis: Redis;
    let ops: OpsRedis;
    let keys: Keys;

    before(async () => {
      fixture = await openRedisFixture({ hashTags });
      ({ redis, keys } = fixture);
      ops = opsRedis(redis);
    });
    after(() => fixture.close());
    beforeEach(() => redis.flushall());

    const keysOf = async (stream: StreamId): Promise<string[]> =>
      (await redis.keys('*')).filter((key) => keys.streamOf(key) === stream);

    describe('listing', () => {
      it('shows a running stream once, however many clients it has', async () => {
        await seedStream(redis, keys);
        await seedClient(redis, keys, CLIENT);
        await seedClient(redis, keys, OTHER_CLIENT);
        const [view, ...others] = await listStreams(redis, keys, 'started');
        expect(others).to.be.empty;
        expect(view).to.include({
          id: `${STREAM}|session-1`,
          key: STREAM,
          clients: 2,
          owner: WORKER,
          bitrate: 4_000_000,
          started_at: new Date(STARTED_AT).toISOString(),
        });
      });

      it('adds the ended streams, or shows only them', async () => {
        await seedStream(redis, keys);
        const past = endedStreamView(
          { stream: OTHER_STREAM, metadata: { init_time: '0' }, owner: null, clients: 0 },
          STARTED_AT,
        );
        await redis.lpush(keys.history, 'broken', JSON.stringify(past));
        const [running, ended, ...others] = await listStreams(redis, keys);
        expect(others).to.be.empty;
        expect(running?.key).to.equal(STREAM);
        expect(ended).to.deep.equal(past);
        expect(await listStreams(redis, keys, 'ended')).to.deep.equal([past]);
      });

      it('passes over names in the list of streams that have no stream', async () => {
        await redis.sadd(keys.streams, OTHER_STREAM, 'not a stream');
        expect(await listStreams(redis, keys)).to.deep.equal([]);
      });

      it('shows a stream with its ring and without secrets of the session', async () => {
        await seedStream(redis, keys, STREAM, { metadata: { session_pid: 'secret' } });
        await redis.set(keys.stream(STREAM).stopping, WORKER);
        await redis.set(keys.stream(STREAM).lastData, String(STARTED_AT));
        const detail = await showStream(redis, keys, STREAM);
        expect(detail?.ring).to.deep.equal({
          head: 12,
          tail: 11,
          chunks: 2,
          bytes: 564,
          seconds: 2.5,
          term: 3,
          joins: 3,
          splices: 1,
        });
        expect(detail).to.include({ stopping: true, last_data: STARTED_AT });
        expect(JSON.stringify(detail)).to.not.include('secret');
        expect(await showStream(redis, keys, OTHER_STREAM)).to.be.null;
      });

      it('lists clients, and no client whose lease ran out', async () => {
        await seedStream(redis, keys);
        await seedClient(redis, keys, OTHER_CLIENT);
        await seedClient(redis, keys, CLIENT);
        await redis.sadd(keys.stream(STREAM).clients, '2'.repeat(24));
        const clients = await listClients(redis, keys, STREAM);
        expect(clients?.map(({ id }) => id)).to.deep.equal([CLIENT, OTHER_CLIENT]);
        expect(clients?.[0]).to.include({ bytes_sent: 1880, ip_address: '192.0.2.1' });
        expect(await listClients(redis, keys, OTHER_STREAM)).to.be.null;
      });
    });

    describe('requests', () => {
      const listen = async (stream: StreamId): Promise<unknown[]> => {
        const heard: unknown[] = [];
        const subscriber = redis.duplicate();
        closers.push(() => subscriber.disconnect());
        subscriber.on('message', (_channel, text) => heard.push(parseStreamEvent(text)));
        await untilReady(subscriber, 2_000);
        await subscriber.subscribe(keys.stream(stream).events);
        return heard;
      };
      const closers: (() => void)[] = [];
      afterEach(() => closers.splice(0).forEach((close) => close()));

      it('leaves a stop as a key with a TTL and says it as an event', async () => {
        await seedStream(redis, keys);
        const heard = await listen(STREAM);
        expect(await requestStop(redis, keys, STREAM, 'api')).to.deep.equal({
          found: true,
          owner: WORKER,
        });
        expect(await redis.get(keys.stream(STREAM).stopRequest)).to.equal('api');
        expect(await redis.pttl(keys.stream(STREAM).stopRequest)).to.be.within(1, 30_000);
        await until('the event', () => heard.length > 0);
        expect(heard).to.deep.equal([{ type: 'stream_stop', reason: 'api' }]);
      });

      it('writes nothing for a stream that does not run', async () => {
        expect((await requestStop(redis, keys, STREAM, 'api')).found).to.be.false;
        expect(await redis.keys('*')).to.be.empty;
      });

      it('takes a stop back that would hit the next life of the stream', async () => {
        await seedStream(redis, keys);
        const racing = Object.assign(Object.create(redis) as Redis, {
          set: async (...args: [string, string, 'PX', number]) => {
            await redis.set(...args);
            await redis.hset(keys.stream(STREAM).metadata, 'init_time', '1');
          },
        });
        await requestStop(racing, keys, STREAM, 'api');
        expect(await redis.exists(keys.stream(STREAM).stopRequest)).to.equal(0);
      });

      it('leaves a kick as a key with a TTL and says it as an event', async () => {
        await seedStream(redis, keys);
        await seedClient(redis, keys);
        const heard = await listen(STREAM);
        const kick = { client: CLIENT, reason: 'api' };
        expect(await requestKick(redis, keys, STREAM, kick)).to.be.true;
        expect(await redis.pttl(keys.stream(STREAM).clientStop(CLIENT))).to.be.within(1, 60_000);
        await until('the event', () => heard.length > 0);
        expect(heard).to.deep.equal([{ type: 'client_stop', client: CLIENT }]);
      });

      it('kicks nobody that does not watch', async () => {
        await seedStream(redis, keys);
        const kick = { client: OTHER_CLIENT, reason: 'api' };
        expect(await requestKick(redis, keys, STREAM, kick)).to.be.false;
        expect(await redis.exists(keys.stream(STREAM).clientStop(OTHER_CLIENT))).to.equal(0);
      });
    });

    describe('orphans', () => {
      const clean = async (now = STARTED_AT) =>
        cleanOrphans(ops, keys, await findOrphans(ops, keys), now);

      it('leaves a stream alone that has an owner, or a client of a live worker', async () => {
        await seedStream(redis, keys);
        await seedStream(redis, keys, OTHER_STREAM, { owner: null });
        await seedClient(redis, keys, CLIENT, { stream: OTHER_STREAM });
        await seedHeartbeat(redis, keys, WORKER);
        expect(await findOrphans(ops, keys)).to.deep.equal({ streams: [], clients: [] });
        expect(await clean()).to.deep.equal({ streams: 0, keys: 0, clients: 0 });
      });

      it('removes every key of a stream that nobody owns and nobody who lives watches', async () => {
        await seedStream(redis, keys, STREAM, { owner: null });
        await seedClient(redis, keys, CLIENT, { worker: DEAD_WORKER });
        await seedStream(redis, keys, OTHER_STREAM);
        const before = (await keysOf(OTHER_STREAM)).length;
        const { streams, clients } = await clean();
        expect({ streams, clients }).to.deep.equal({ streams: 1, clients: 1 });
        expect(await keysOf(STREAM)).to.deep.equal([]);
        expect(await redis.smembers(keys.streams)).to.deep.equal([OTHER_STREAM]);
        expect(await keysOf(OTHER_STREAM)).to.have.lengthOf(before);
      });

      it('finds single keys whose stream is gone', async () => {
        await redis.set(keys.stream(STREAM).chunk(7), 'x');
        expect((await findOrphans(ops, keys)).streams).to.deep.equal([
          { stream: STREAM, keys: [keys.stream(STREAM).chunk(7)] },
        ]);
        await clean();
        expect(await redis.keys('*')).to.be.empty;
      });

      it('drops the clients of dead workers and expired leases, and keeps the others', async () => {
        await seedStream(redis, keys);
        await seedHeartbeat(redis, keys, WORKER);
        await seedClient(redis, keys, CLIENT);
        await seedClient(redis, keys, OTHER_CLIENT, { worker: DEAD_WORKER });
        await redis.sadd(keys.stream(STREAM).clients, '2'.repeat(24));
        const { clients } = await findOrphans(ops, keys);
        expect(clients.map(({ worker }) => worker)).to.have.members([DEAD_WORKER, null]);
        await clean();
        expect(await redis.smembers(keys.stream(STREAM).clients)).to.deep.equal([CLIENT]);
        expect(await redis.exists(keys.stream(STREAM).client(OTHER_CLIENT))).to.equal(0);
      });

      it('keeps a client that a live worker adopted after it was found', async () => {
        await seedStream(redis, keys);
        await seedClient(redis, keys, CLIENT, { worker: DEAD_WORKER });
        const found = await findOrphans(ops, keys);
        await redis.hset(keys.stream(STREAM).client(CLIENT), 'worker_id', WORKER);
        expect(await cleanOrphans(ops, keys, found, STARTED_AT)).to.include({ clients: 0 });
        expect(await redis.sismember(keys.stream(STREAM).clients, CLIENT)).to.equal(1);
      });

      it('keeps a stream that was won or joined after it was found', async () => {
        await seedStream(redis, keys, STREAM, { owner: null });
        await seedStream(redis, keys, OTHER_STREAM, { owner: null });
        const found = await findOrphans(ops, keys);
        expect(found.streams).to.have.lengthOf(2);
        await redis.set(keys.stream(STREAM).owner, WORKER);
        await redis.sadd(keys.stream(OTHER_STREAM).clients, 'new' as ClientId);
        expect(await cleanOrphans(ops, keys, found, STARTED_AT)).to.include({ streams: 0 });
        expect(await redis.smembers(keys.streams)).to.have.members([STREAM, OTHER_STREAM]);
        expect(await redis.exists(keys.stream(STREAM).metadata)).to.equal(1);
      });

      it('keeps a stream listed that starts anew while it is being removed', async () => {
        await seedStream(redis, keys, STREAM, { owner: null });
        const racing: OpsRedis = {
          ...ops,
          purgeStream: async (...args) => {
            const removed = await ops.purgeStream(...args);
            await redis.set(keys.stream(STREAM).owner, WORKER);
            await redis.sadd(keys.streams, STREAM);
            return removed;
          },
        };
        await cleanOrphans(racing, keys, await findOrphans(racing, keys), STARTED_AT);
        expect(await redis.smembers(keys.streams)).to.deep.equal([STREAM]);
      });

      it('sees all keys of a big ring', async () => {
        await seedStream(redis, keys, STREAM, { owner: null });
        const pipeline = redis.pipeline();
        for (let n = 100; n < 2_500; n++) pipeline.set(keys.stream(STREAM).chunk(n), 'x');
        await pipeline.exec();
        await clean();
        expect(await keysOf(STREAM)).to.deep.equal([]);
      });

      it('removes one stream by hand only when nobody owns or watches it', async () => {
        await seedStream(redis, keys);
        expect(await removeUnowned(ops, keys, STREAM, STARTED_AT)).to.be.null;
        await redis.del(keys.stream(STREAM).owner);
        await seedClient(redis, keys);
        await seedHeartbeat(redis, keys, WORKER);
        expect(await removeUnowned(ops, keys, STREAM, STARTED_AT)).to.be.null;
        await redis.del(keys.heartbeat(WORKER));
        expect(await removeUnowned(ops, keys, STREAM, STARTED_AT)).to.be.greaterThan(0);
        expect(await keysOf(STREAM)).to.deep.equal([]);
        await seedStream(redis, keys, STREAM, { owner: null });
        const found = (await keysOf(STREAM)).length;
        expect(await removeUnowned(ops, keys, STREAM, STARTED_AT)).to.equal(found);
      });
    });
  });
}
