import { expect } from 'chai';
import type { StreamId } from '../../../src/shared/ids.js';
import type { RedisFixture } from '../../helpers/redis-fixture.js';
import {
  append,
  clientNamed,
  join,
  makeStores,
  win,
  type WorkerStores,
} from '../../helpers/scripted-redis.js';
import { useTwoWorkers } from '../../helpers/two-workers.js';

const STREAM = 'c'.repeat(40) as StreamId;
const CLIENT = clientNamed(1);
const STOPPED = { type: 'stream_stopped', reason: 'test' } as const;
const YIELDED = { type: 'owner_changed', owner: '', term: 1, reason: 'test' } as const;

describe('the scripts of ownership', () => {
  let fixture: RedisFixture;
  let a: WorkerStores;
  let b: WorkerStores;
  useTwoWorkers((two) => ({ fixture, a, b } = two));

  const names = (): ReturnType<RedisFixture['keys']['stream']> => fixture.keys.stream(STREAM);
  const left = (): Promise<string[]> => fixture.redis.keys(`ace_proxy:stream:${STREAM}*`);
  const stop = (forced: boolean, idleSince: number | null = null, graceMs = 1_000) => ({
    now: 10_000,
    graceMs,
    forced,
    idleSince,
  });

  describe('acquire', () => {
    it('is won by one, with term 1, and names the life by its time', async () => {
      expect(await a.owners.acquire(STREAM, 'infohash', 77)).to.deep.equal({
        outcome: 'won',
        ownership: { stream: STREAM, term: 1, life: '77' },
        given: false,
      });
      expect(await b.owners.acquire(STREAM, 'id', 78)).to.deep.equal({
        outcome: 'taken',
        owner: a.worker,
      });
      const metadata = await a.owners.readMetadata(STREAM);
      expect(metadata).to.include({
        init_time: '77',
        owner: a.worker,
        term: '1',
        key_type: 'infohash',
        state: 'initializing',
        content_id: STREAM,
      });
    });

    it('is won again, with the next term, by the worker that did not hear that it had won', async () => {
      await a.owners.acquire(STREAM, 'id', 1);
      const again = await win(a, STREAM, 2);
      expect(again).to.deep.equal({ stream: STREAM, term: 2, life: '1' });
      expect((await a.owners.readMetadata(STREAM))['previous_owner']).to.equal(a.worker);
    });

    it('lists the stream at once, so that an owner that dies early is found', async () => {
      await a.owners.acquire(STREAM, 'id', 1);
      expect(await a.owners.running()).to.deep.equal([STREAM]);
    });

    it('remembers the session of the owner before', async () => {
      await a.owners.write(await win(a, STREAM), { playback_session_id: 's1' });
      await fixture.redis.del(names().owner);
      await win(b, STREAM);
      expect((await b.owners.readMetadata(STREAM))['previous_session_id']).to.equal('s1');
    });

    it('is won by exactly one of many at once', async () => {
      const workers = [...Array(20).keys()].map((n) =>
        makeStores(fixture.redis, fixture.keys, String(n)),
      );
      const answers = await Promise.all(
        workers.map(({ owners }) => owners.acquire(STREAM, 'id', 1)),
      );
      expect(answers.filter(({ outcome }) => outcome === 'won')).to.have.length(1);
    });

    it('continues the life with the next term after a lock ran out or was given back', async () => {
      await win(a, STREAM, 77);
      await fixture.redis.del(names().owner);
      expect(await win(b, STREAM, 99)).to.deep.equal({ stream: STREAM, term: 2, life: '77' });
      expect((await b.owners.readMetadata(STREAM))['previous_owner']).to.equal(a.worker);
      expect(await b.owners.yieldLock(STREAM, YIELDED)).to.equal(true);
      expect(await win(a, STREAM, 100)).to.deep.equal({ stream: STREAM, term: 3, life: '77' });
      expect((await a.owners.readMetadata(STREAM))['previous_owner']).to.equal('');
    });

    it('is refused while the stream is being stopped', async () => {
      const own = await win(a, STREAM);
      await a.owners.beginStop(own, stop(true));
      await fixture.redis.del(names().owner);
      expect(await b.owners.acquire(STREAM, 'id', 1)).to.deep.equal({ outcome: 'stopping' });
    });
  });

  describe('renew', () => {
    it('prolongs the lock, writes the fields and tells the census', async () => {
      const own = await win(a, STREAM);
      await fixture.redis.pexpire(names().owner, 1_000);
      expect(await a.owners.renew(own, { peers: 7 })).to.deep.equal({
        outcome: 'renewed',
        clients: 0,
        lastDisconnect: null,
        stopRequest: null,
      });
      expect(await fixture.redis.pttl(names().owner)).to.be.greaterThan(50_000);
      await join(a, STREAM, CLIENT);
      await join(a, STREAM, clientNamed(2));
      expect(await a.owners.renew(own, {})).to.include({ clients: 2 });
      await a.clients.leave(STREAM, CLIENT, 5);
      await a.clients.leave(STREAM, clientNamed(2), 6);
      await fixture.redis.set(names().stopRequest, 'enough');
      expect(await a.owners.renew(own, {})).to.include({
        clients: 0,
        lastDisconnect: 6,
        stopRequest: 'enough',
      });
      expect((await a.owners.readMetadata(STREAM))['peers']).to.equal('7');
    });

    it('takes back a lock that ran out and that nobody won', async () => {
      const own = await win(a, STREAM);
      await fixture.redis.del(names().owner);
      expect(await a.owners.renew(own, {})).to.include({ outcome: 'renewed' });
      expect(await fixture.redis.get(names().owner)).to.equal(a.worker);
    });

    it('is lost once another has won, also when that one has let go again', async () => {
      const own = await win(a, STREAM);
      await fixture.redis.del(names().owner);
      await win(b, STREAM);
      expect(await a.owners.renew(own, { peers: 1 })).to.deep.equal({ outcome: 'lost' });
      await b.owners.yieldLock(STREAM, YIELDED);
      expect(await a.owners.renew(own, { peers: 1 })).to.deep.equal({ outcome: 'lost' });
      expect(await fixture.redis.get(names().owner)).to.equal(null);
      expect(await a.owners.readMetadata(STREAM)).to.not.have.property('peers');
    });

    it('is gone when Redis came back empty, and lost when a new life has begun there', async () => {
      const own = await win(a, STREAM, 1);
      await fixture.redis.flushall();
      expect(await a.owners.renew(own, {})).to.deep.equal({ outcome: 'gone' });
      expect(await left()).to.deep.equal([]);
      await win(b, STREAM, 2);
      expect(await a.owners.renew(own, {})).to.deep.equal({ outcome: 'lost' });
      await fixture.redis.del(names().owner);
      expect(await a.owners.renew(own, {})).to.deep.equal({ outcome: 'lost' });
    });
  });

  describe('restore', () => {
    it('puts the owner back with its term, its life and all it knew', async () => {
      const own = await win(a, STREAM, 1);
      await fixture.redis.flushall();
      expect(await a.owners.restore(own, { init_time: own.life, state: 'active' })).to.equal(true);
      expect(await a.owners.renew(own, {})).to.include({ outcome: 'renewed' });
      expect(await append(a, own, 5)).to.equal(true);
      expect(await b.owners.acquire(STREAM, 'id', 2)).to.include({ outcome: 'taken' });
      expect((await a.owners.readMetadata(STREAM))['state']).to.equal('active');
      expect(await fixture.redis.pttl(names().metadata)).to.be.greaterThan(0);
    });

    it('gives way to who has won meanwhile, also when that one has let go again', async () => {
      const own = await win(a, STREAM, 1);
      await fixture.redis.flushall();
      await win(b, STREAM, 2);
      expect(await a.owners.restore(own, { init_time: own.life })).to.equal(false);
      await b.owners.yieldLock(STREAM, YIELDED);
      expect(await a.owners.restore(own, { init_time: own.life })).to.equal(false);
      expect((await a.owners.readMetadata(STREAM))['init_time']).to.equal('2');
    });
  });

  it('prolong the life of every key of the stream with each renewal and each win', async () => {
    const own = await win(a, STREAM);
    await append(a, own, 1);
    await join(a, STREAM, CLIENT);
    const { owner, term, metadata, index, marks, clients } = names();
    const shorten = async (): Promise<void> => {
      for (const key of await left()) await fixture.redis.pexpire(key, 5_000);
    };
    const lives = (keys: readonly string[]): Promise<number[]> =>
      Promise.all(keys.map((key) => fixture.redis.pttl(key)));
    await shorten();
    await a.owners.renew(own, {});
    for (const life of await lives([owner, term, metadata, index, marks, clients])) {
      expect(life).to.be.greaterThan(50_000);
    }
    await shorten();
    await append(a, own, 2);
    for (const life of await lives([index, marks])) expect(life).to.be.greaterThan(50_000);
    await shorten();
    await win(a, STREAM);
    for (const life of await lives([owner, term, metadata])) expect(life).to.be.greaterThan(50_000);
  });

  it('keep an owner and let it stop when Redis has no memory left', async () => {
    const own = await win(a, STREAM);
    await fixture.redis.pexpire(names().owner, 5_000);
    await fixture.redis.config('SET', 'maxmemory', '1');
    try {
      const { outcome } = await a.owners.renew(own, { bitrate: 1 });
      expect(outcome).to.equal('renewed');
      expect(await fixture.redis.pttl(names().owner)).to.be.greaterThan(5_000);
      expect(await a.owners.beginStop(own, stop(false, 0))).to.equal('begun');
      expect(await a.owners.end(own, STOPPED)).to.equal(true);
      expect(await left()).to.deep.equal([]);
    } finally {
      await fixture.redis.config('SET', 'maxmemory', '0');
    }
  });

  it('write the metadata for the holder of the lock in its term only', async () => {
    const own = await win(a, STREAM);
    expect(await a.owners.write(own, { state: 'active' })).to.equal(true);
    expect(await a.owners.write({ ...own, term: 2 }, { state: 'error' })).to.equal(false);
    expect(await b.owners.write(own, { state: 'error' })).to.equal(false);
    await fixture.redis.del(names().owner);
    expect(await a.owners.write(own, { state: 'error' })).to.equal(false);
    expect((await a.owners.readMetadata(STREAM))['state']).to.equal('active');
  });

  it('put the lock into the name of one certain worker, which wins it once', async () => {
    const left = { rest: Buffer.from('rest'), tables: 'x' };
    const own = await win(a, STREAM, 1);
    expect(await b.owners.transfer(own, b.worker, left)).to.equal(false);
    expect(await a.owners.transfer({ ...own, term: 2 }, b.worker, left)).to.equal(false);
    expect(await a.owners.transfer(own, b.worker, left)).to.equal(true);
    expect(await a.owners.renew(own, {})).to.deep.equal({ outcome: 'lost' });
    expect(await append(a, own, 1)).to.equal(false);
    const other = makeStores(fixture.redis, fixture.keys, 'other');
    expect(await other.owners.acquire(STREAM, 'id', 2)).to.include({ outcome: 'taken' });
    expect(await b.owners.acquire(STREAM, 'id', 2)).to.deep.equal({
      outcome: 'won',
      ownership: { stream: STREAM, term: 2, life: '1' },
      given: true,
    });
    expect(await b.owners.acquire(STREAM, 'id', 2)).to.include({ outcome: 'won', given: false });
    expect(await a.owners.acquire(STREAM, 'id', 3)).to.include({ outcome: 'taken' });
  });

  it('give the lock back for its holder only, and say so', async () => {
    await win(a, STREAM);
    expect(await b.owners.yieldLock(STREAM, YIELDED)).to.equal(false);
    expect(await a.owners.yieldLock(STREAM, YIELDED)).to.equal(true);
    expect(await a.owners.yieldLock(STREAM, YIELDED)).to.equal(false);
    expect((await a.owners.readMetadata(STREAM))['owner']).to.equal('');
  });

  describe('the stop', () => {
    it('does not begin while anybody watches, unless it is forced', async () => {
      const own = await win(a, STREAM);
      await join(b, STREAM, CLIENT);
      expect(await a.owners.beginStop(own, stop(false, 0))).to.equal('watched');
      expect(await a.owners.beginStop(own, stop(true))).to.equal('begun');
    });

    it('begins when the grace period is over, counted from the last leave', async () => {
      const own = await win(a, STREAM);
      await join(b, STREAM, CLIENT);
      await b.clients.leave(STREAM, CLIENT, 9_001);
      expect(await a.owners.beginStop(own, stop(false, 0))).to.equal('watched');
      expect(await a.owners.beginStop(own, stop(false, 0, 999))).to.equal('begun');
      expect(await fixture.redis.pttl(names().stopping)).to.be.greaterThan(0);
    });

    it('goes by what the owner saw where nobody ever left, or Redis forgot it', async () => {
      const own = await win(a, STREAM);
      expect(await a.owners.beginStop(own, stop(false))).to.equal('watched');
      expect(await a.owners.beginStop(own, stop(false, 9_001))).to.equal('watched');
      expect(await a.owners.beginStop(own, stop(false, 9_000))).to.equal('begun');
    });

    it("is the owner's alone", async () => {
      const own = await win(a, STREAM);
      expect(await b.owners.beginStop(own, stop(true))).to.equal('lost');
      expect(await a.owners.beginStop({ ...own, term: 9 }, stop(true))).to.equal('lost');
      expect(await b.owners.end(own, STOPPED)).to.equal(false);
      expect(await a.owners.end({ ...own, term: 9 }, STOPPED)).to.equal(false);
      expect(await fixture.redis.exists(names().owner)).to.equal(1);
    });

    it('leaves the next life alone, although worker and term are the same there', async () => {
      const old = await win(a, STREAM, 1);
      expect(await a.owners.beginStop(old, stop(true))).to.equal('begun');
      // Redis comes back empty; the stream begins anew and is put into the name of the same worker.
      await fixture.redis.flushall();
      const next = await win(b, STREAM, 2);
      await b.owners.transfer(next, a.worker, { rest: Buffer.alloc(0), tables: '' });
      await join(b, STREAM, CLIENT);
      expect(await a.owners.end(old, STOPPED)).to.equal(false);
      expect(await a.owners.beginStop(old, stop(true))).to.equal('lost');
      expect(await a.owners.write(old, { state: 'stopping' })).to.equal(false);
      const nobody = { rest: Buffer.alloc(0), tables: '' };
      expect(await a.owners.transfer(old, b.worker, nobody)).to.equal(false);
      expect(await fixture.redis.smembers(names().clients)).to.deep.equal([CLIENT]);
    });

    it('ends without a key left, whoever still watched', async () => {
      const own = await win(a, STREAM);
      await a.owners.announce(STREAM, 1);
      for (let index = 1; index <= 30; index++)
        await append(a, own, index, index > 10 ? [index - 10] : []);
      await join(b, STREAM, CLIENT);
      await fixture.redis.set(names().clientStop(CLIENT), '1');
      await fixture.redis.set(names().stopRequest, 'x');
      await a.owners.beginStop(own, stop(true));
      expect(await a.owners.end(own, STOPPED)).to.equal(true);
      expect(await left()).to.deep.equal([]);
      // The viewer's leave comes after it.
      expect(await b.clients.leave(STREAM, CLIENT, 1)).to.equal(0);
      expect(await left()).to.deep.equal([]);
      expect(await a.owners.end(own, STOPPED)).to.equal(false);
    });
  });
});
