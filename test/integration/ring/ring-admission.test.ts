import { expect } from 'chai';
import { Redis } from 'ioredis';
import type { StreamId, WorkerId } from '../../../src/shared/ids.js';
import { RING_SHARE } from '../../../src/shared/ring-memory.js';
import { makeKeys } from '../../../src/shared/redis/keys.js';
import { OwnerStore, type RingRequest } from '../../../src/shared/redis/owner-store.js';
import { startRedis, type TestRedis } from '../../helpers/redis-server.js';

const MB = 1_000_000;
const keys = makeKeys({ hashTags: false });
const id = (n: number): StreamId => n.toString(16).padStart(40, '0') as StreamId;

describe('the admission of rings by the memory of Redis', () => {
  let server: TestRedis;
  let redis: Redis;
  let owners: OwnerStore;

  before(async () => {
    server = await startRedis({ args: ['--maxmemory', '40mb'] });
    redis = new Redis(server.url);
    owners = storeOn(redis);
  });
  after(async () => {
    redis.disconnect();
    await server.stop();
  });
  beforeEach(async () => {
    await redis.flushall();
    await redis.config('SET', 'maxmemory', '40mb');
  });

  const ask = (n: number, changes: Partial<RingRequest> = {}, store = owners) =>
    store.reserveRing(id(n), {
      wanted: 8 * MB,
      held: 0,
      total: 0,
      spread: false,
      runs: false,
      ...changes,
    });
  const admitted = async (count: number): Promise<number> => {
    const answers = await Promise.all(Array.from({ length: count }, (_, n) => ask(n)));
    return answers.filter(({ reserved }) => reserved).length;
  };

  it('gives as many streams a ring as fit, also when they all come at once', async () => {
    expect(await admitted(20)).to.equal(4);
    const refused = await ask(20);
    expect(refused.reserved).to.equal(false);
    expect(refused.free).to.be.within(0, 8 * MB);
  });

  it('gives the memory of a stream that ended to another one', async () => {
    await admitted(20);
    const answer = await owners.acquire(id(0), 'id', 1);
    if (answer.outcome !== 'won') throw new Error(answer.outcome);
    await owners.end(answer.ownership, { type: 'stream_stopped', reason: 'test' });
    expect(await ask(21)).to.include({ reserved: true });
  });

  it('forgets a stream whose owner is gone', async () => {
    await admitted(20);
    await redis.hset(keys.admittedBytes, id(0), `1,${String(8 * MB)},0`);
    expect(await ask(21)).to.include({ reserved: true });
    expect(await redis.hexists(keys.admittedBytes, id(0))).to.equal(0);
  });

  it('drops an entry that is not ours, as if nobody had it', async () => {
    const strange = ['', 'text', '1,2', `9e12,${String(8 * MB)},0`, ',,'];
    for (const [n, entry] of strange.entries()) {
      await redis.hset(keys.admittedBytes, id(100 + n), entry);
    }
    expect(await admitted(20)).to.equal(4);
    expect(await redis.hlen(keys.admittedBytes)).to.equal(4);
  });

  it('leaves no list behind when nobody says any more what it needs', async () => {
    await ask(1);
    await redis.pexpire(keys.admittedBytes, 1_000);
    await ask(2);
    expect(await redis.pttl(keys.admittedBytes)).to.be.within(25_000, 30_000);
  });

  it('says until when, by the clock of Redis, and how much', async () => {
    const [seconds] = await redis.time();
    await ask(1, { held: MB });
    const entry = (await redis.hget(keys.admittedBytes, id(1))) ?? '';
    const [expiry = 0, reserved, held] = entry.split(',').map(Number);
    expect(expiry).to.be.within(Number(seconds) * 1_000 + 30_000, Number(seconds) * 1_000 + 32_500);
    expect([reserved, held]).to.deep.equal([8 * MB, MB]);
  });

  it('counts what else is in this Redis, and rings only once', async () => {
    await redis.setrange('somebody:else', 15 * MB, 'x');
    expect(await admitted(20)).to.equal(2);
    await redis.del('somebody:else');
    // As large as two of the rings say they are.
    await redis.setrange('the:rings', 15 * MB, 'x');
    for (const n of [0, 1]) await ask(n, { held: 7.5 * MB });
    const more = [await ask(2), await ask(3), await ask(4)];
    expect(more.map(({ reserved }) => reserved)).to.deep.equal([true, true, false]);
  });

  it('never gives more than its part, although rings say that they hold more than there is', async () => {
    await ask(0, { wanted: 8 * MB, held: 100 * MB });
    const { free } = await ask(1);
    expect(free).to.equal(Math.floor(40 * 1_024 ** 2 * RING_SHARE) - 8 * MB);
  });

  it('has nothing to give where others have taken all', async () => {
    await redis.setrange('somebody:else', 38 * MB, 'x');
    expect(await ask(1, { wanted: 1 })).to.deep.equal({ reserved: false, free: 0 });
  });

  it('makes room when a stream turns out to be slow', async () => {
    await admitted(20);
    await ask(0, { wanted: MB });
    expect(await ask(21, { wanted: 6 * MB })).to.include({ reserved: true });
  });

  it('refuses no stream that runs, and none that has its ring', async () => {
    await admitted(20);
    expect(await ask(0, { wanted: 20 * MB })).to.include({ reserved: true });
    expect(await ask(30, { runs: true })).to.include({ reserved: true });
    expect(await ask(31)).to.include({ reserved: false });
  });

  it('knows no bound where neither Redis nor the settings have one', async () => {
    await redis.config('SET', 'maxmemory', '0');
    expect(await ask(1, { wanted: 1e15 })).to.deep.equal({ reserved: true, free: -1 });
    expect(await ask(2, { wanted: 8 * MB, total: 1e15 + 10 * MB })).to.include({ reserved: true });
    expect(await ask(3, { wanted: 8 * MB, total: 1e15 + 10 * MB })).to.deep.equal({
      reserved: false,
      free: 2 * MB,
    });
  });

  it('gives the last byte of the bound that is configured, and no more though Redis has room', async () => {
    expect(await ask(1, { total: 8 * MB })).to.deep.equal({ reserved: true, free: 8 * MB });
    expect(await ask(2, { total: 8 * MB, wanted: 1 })).to.deep.equal({ reserved: false, free: 0 });
    expect(await ask(3, { total: 1 })).to.include({ reserved: false });
  });

  it('gives no more than Redis has though the settings allow it', async () => {
    const { reserved, free } = await ask(1, { wanted: 60 * MB, total: 100 * MB });
    expect(reserved).to.equal(false);
    expect(free).to.be.within(20 * MB, 40 * MB);
  });

  it('goes by the settings alone where rings are spread over a Cluster', async () => {
    expect(await ask(1, { wanted: 1e12, spread: true })).to.include({ reserved: true });
    expect(await ask(2, { total: MB, spread: true })).to.include({ reserved: false });
  });

  it('goes by the settings alone where it may not ask Redis', async () => {
    await redis.call('ACL', 'SETUSER', 'humble', 'on', '>secret', '~*', '&*', '+@all', '-info');
    const humble = new Redis(server.url, { username: 'humble', password: 'secret' });
    try {
      const store = storeOn(humble);
      expect(await ask(1, { wanted: 1e12 }, store)).to.deep.equal({ reserved: true, free: -1 });
      expect(await ask(2, { total: MB }, store)).to.include({ reserved: false });
    } finally {
      humble.disconnect();
    }
  });
});

function storeOn(redis: Redis): OwnerStore {
  const times = { lockMs: 1_000, keepMs: 5_000 };
  return new OwnerStore({ redis, keys, worker: 'h:1:aa' as WorkerId, times });
}
