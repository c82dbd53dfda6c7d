import { expect } from 'chai';
import type { Redis } from 'ioredis';
import type { StreamId } from '../../../src/shared/ids.js';
import { STORY_LENGTH } from '../../../src/shared/inspect/story.js';
import type { RedisFixture } from '../../helpers/redis-fixture.js';
import { append, clientNamed, join, win, type WorkerStores } from '../../helpers/scripted-redis.js';
import { useTwoWorkers } from '../../helpers/two-workers.js';
import { until } from '../../helpers/until.js';

const STREAM = '8'.repeat(40) as StreamId;
const CLIENT = clientNamed(1);

describe('what an owner leaves in Redis', () => {
  let fixture: RedisFixture;
  let a: WorkerStores;
  let b: WorkerStores;
  let subscriber: Redis;
  let heard: string[];
  useTwoWorkers((two) => ({ fixture, a, b } = two));
  before(async () => {
    subscriber = fixture.redis.duplicate({ enableOfflineQueue: true });
    subscriber.on('message', (_channel, message: string) => heard.push(message));
    await subscriber.subscribe(names().events);
  });
  after(() => subscriber.disconnect());
  beforeEach(() => (heard = []));

  const names = (): ReturnType<RedisFixture['keys']['stream']> => fixture.keys.stream(STREAM);
  const left = (): Promise<string[]> => fixture.redis.keys(`ace_proxy:stream:${STREAM}*`);
  /** What was said on the channel since the last call. */
  const events = async (): Promise<unknown[]> => {
    await fixture.redis.publish(names().events, 'end');
    await until('all was heard', () => heard.at(-1) === 'end');
    return heard
      .splice(0)
      .slice(0, -1)
      .map((message) => JSON.parse(message) as unknown);
  };
  const first = () => ({
    ...{ content_id: STREAM, key_type: 'id', state: 'initializing', init_time: '77' },
    ...{ owner: a.worker, term: '1', state_changed_at: '77' },
    ...{ previous_owner: '', previous_session_id: '' },
  });

  it('says who it is, since when, and that nobody was before it', async () => {
    await win(a, STREAM, 77);
    expect(await a.owners.readMetadata(STREAM)).to.deep.equal(first());
  });

  it('is kept by the next one, which says whom it follows', async () => {
    const own = await win(a, STREAM, 77);
    await a.owners.write(own, { state: 'active', playback_session_id: 's1', peers: 7 });
    await fixture.redis.del(names().owner);
    await win(b, STREAM, 99);
    expect(await b.owners.readMetadata(STREAM)).to.deep.equal({
      ...{ ...first(), state: 'active', playback_session_id: 's1', peers: '7' },
      ...{ owner: b.worker, term: '2', state_changed_at: '99' },
      ...{ previous_owner: a.worker, previous_session_id: 's1' },
    });
  });

  it('has with a handover what is not in the ring yet, for the one that it is meant for', async () => {
    const own = await win(a, STREAM, 77);
    await a.owners.transfer(own, b.worker, { rest: Buffer.from('rest'), tables: 'x' });
    const handed = { ...first(), owner: '', handover_rest: 'cmVzdA==', handover_tables: 'x' };
    expect(await a.owners.readMetadata(STREAM)).to.deep.equal({
      ...{ ...handed, handover_to: b.worker },
    });
    expect(await b.owners.acquire(STREAM, 'id', 99)).to.include({ given: true });
    expect(await b.owners.readMetadata(STREAM)).to.deep.equal({
      ...{ ...handed, owner: b.worker, term: '2', state_changed_at: '99', previous_owner: '' },
    });
  });

  it("is nobody's when it lets go, and is told of once", async () => {
    const event = { type: 'owner_changed', owner: '', term: 1, reason: 'test' } as const;
    await win(a, STREAM, 77);
    await b.owners.yieldLock(STREAM, event);
    expect(await events()).to.deep.equal([]);
    await a.owners.yieldLock(STREAM, event);
    await a.owners.yieldLock(STREAM, event);
    expect(await events()).to.deep.equal([event]);
    expect(await a.owners.readMetadata(STREAM)).to.deep.equal({ ...first(), owner: '' });
  });

  it('is nothing where the lock was all that Redis had', async () => {
    await fixture.redis.set(names().owner, a.worker);
    const event = { type: 'owner_changed', owner: '', term: 1, reason: 'test' } as const;
    expect(await a.owners.yieldLock(STREAM, event)).to.equal(true);
    expect(await left()).to.deep.equal([]);
  });

  it('is told of at its end, once and by its owner', async () => {
    const own = await win(a, STREAM);
    const event = { type: 'stream_stopped', reason: 'test' } as const;
    await b.owners.end(own, event);
    expect(await events()).to.deep.equal([]);
    await a.owners.end(own, event);
    await a.owners.end(own, event);
    expect(await events()).to.deep.equal([event]);
  });

  it('is gone for a renewal when either the term or the life is gone, and nothing is written', async () => {
    for (const key of [names().term, names().metadata]) {
      await fixture.redis.flushall();
      const own = await win(a, STREAM);
      await fixture.redis.del(key);
      const before = await left();
      expect(await a.owners.renew(own, { peers: 1 })).to.deep.equal({ outcome: 'gone' });
      expect(await left()).to.deep.equal(before);
    }
  });

  it('is put back whole over what is left of the same owner', async () => {
    const own = await win(a, STREAM, 77);
    const all = [names().owner, names().term, names().metadata];
    for (const gone of [[], ...all.map((key) => [key]), all]) {
      await fixture.redis.hset(names().metadata, { peers: '7', init_time: '77' });
      if (gone.length > 0) await fixture.redis.del(...gone);
      expect(await a.owners.restore(own, { init_time: own.life, state: 'active' })).to.equal(true);
      expect(await fixture.redis.get(names().owner)).to.equal(a.worker);
      expect(await fixture.redis.get(names().term)).to.equal('1');
      const metadata = await a.owners.readMetadata(STREAM);
      expect(metadata).to.deep.equal({ init_time: '77', state: 'active' });
    }
  });

  it('is not put back over another owner, another term or another life, whatever else is there', async () => {
    const own = { stream: STREAM, term: 1, life: '77' };
    const put: (() => Promise<unknown>)[] = [
      () => fixture.redis.set(names().owner, b.worker),
      () => fixture.redis.set(names().term, '2'),
      () => fixture.redis.hset(names().metadata, 'init_time', '78'),
    ];
    for (const others of put) {
      for (const mine of [false, true]) {
        await fixture.redis.flushall();
        if (mine) await win(a, STREAM, 77);
        await others();
        const before = await Promise.all(
          (await left()).sort().map((key) => fixture.redis.dump(key)),
        );
        expect(await a.owners.restore(own, { init_time: '77' })).to.equal(false);
        expect(await a.owners.renew(own, { peers: 1 })).to.deep.equal({ outcome: 'lost' });
        const after = await Promise.all(
          (await left()).sort().map((key) => fixture.redis.dump(key)),
        );
        expect(after).to.deep.equal(before);
      }
    }
  });

  it('is stopped by what the owner saw where the time of the last leave is not one', async () => {
    const own = await win(a, STREAM);
    const rule = { now: 10_000, graceMs: 1_000, forced: false };
    for (const strange of ['', 'yesterday', 'nan', 'inf']) {
      await fixture.redis.set(names().lastClientDisconnect, strange);
      expect(await a.owners.renew(own, {}), strange).to.include({ lastDisconnect: null });
      expect(await a.owners.beginStop(own, { ...rule, idleSince: null })).to.equal('watched');
      expect(await a.owners.beginStop(own, { ...rule, idleSince: 9_001 })).to.equal('watched');
      expect(await a.owners.beginStop(own, { ...rule, idleSince: 9_000 })).to.equal('begun');
      await fixture.redis.del(names().stopping);
    }
  });

  it('tells its story in order, for the holder of the lock in its term only, and keeps the end of it', async () => {
    const own = await win(a, STREAM);
    const entry = (at: number) => ({ at, what: 'x', why: '' });
    expect(await a.owners.tell(own, [entry(1), entry(2)])).to.equal(true);
    expect(await b.owners.tell(own, [entry(3)])).to.equal(false);
    expect(await a.owners.tell({ ...own, term: 2 }, [entry(3)])).to.equal(false);
    const story = async (): Promise<unknown[]> =>
      (await fixture.redis.lrange(names().story, 0, -1)).map((text) => JSON.parse(text) as unknown);
    expect(await story()).to.deep.equal([entry(1), entry(2)]);
    const many = [...Array(STORY_LENGTH).keys()].map((n) => entry(10 + n));
    await a.owners.tell(own, many);
    expect(await story()).to.deep.equal(many);
  });

  it('holds a chunk as it was written first, also when the newest one is written again', async () => {
    const own = await win(a, STREAM);
    await append(a, own, 1);
    const [marks, chunk] = [names().marks, names().chunk(1)];
    const before = [await fixture.redis.hgetall(marks), await fixture.redis.get(chunk)];
    expect(Object.keys(before[0] as object)).to.deep.equal(['1']);
    expect(await append(a, own, 1, [], 999)).to.equal(true);
    expect([await fixture.redis.hgetall(marks), await fixture.redis.get(chunk)]).to.deep.equal(
      before,
    );
  });

  it('tells a renewal of a viewer that left and of a wish to stop, and lets their keys be', async () => {
    const own = await win(a, STREAM);
    await join(a, STREAM, CLIENT);
    await a.clients.leave(STREAM, CLIENT, 5);
    await fixture.redis.set(names().stopRequest, 'enough', 'PX', 20_000);
    await fixture.redis.pexpire(names().lastClientDisconnect, 20_000);
    await fixture.redis.pexpire(names().owner, 20_000);
    const seen = { clients: 0, lastDisconnect: 5, stopRequest: 'enough' };
    expect(await a.owners.renew(own, {})).to.deep.equal({ outcome: 'renewed', ...seen });
    expect(await fixture.redis.pttl(names().owner)).to.be.above(50_000);
    for (const key of [names().stopRequest, names().lastClientDisconnect]) {
      expect(await fixture.redis.pttl(key), key).to.be.within(1, 20_000);
    }
  });
});
