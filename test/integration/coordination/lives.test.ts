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

const STREAM = '9'.repeat(40) as StreamId;
const CLIENT = clientNamed(1);
/** ms, far enough from each other to be told apart on a slow machine. */
const LIVES = { lock: 10_000, lease: 20_000, chunk: 30_000, keep: 40_000, before: 100_000 };

describe('the keys of a stream', () => {
  let fixture: RedisFixture;
  let a: WorkerStores;
  let b: WorkerStores;
  useTwoWorkers((two) => {
    ({ fixture } = two);
    const { lock, lease, chunk, keep } = LIVES;
    const times = { lockMs: lock, leaseMs: lease, chunkMs: chunk, keepMs: keep };
    a = makeStores(fixture.redis, fixture.keys, 'a', times);
    b = makeStores(fixture.redis, fixture.keys, 'b', times);
  });

  const names = (): ReturnType<RedisFixture['keys']['stream']> => fixture.keys.stream(STREAM);
  const all = (): Promise<string[]> => fixture.redis.keys(`ace_proxy:stream:${STREAM}:*`);
  /** Gives every key the life of a time before what follows. */
  const age = async (): Promise<void> => {
    for (const key of await all()) await fixture.redis.pexpire(key, LIVES.before);
  };
  /** Every key of the stream by its last words, and which life it has; those of before are left out. */
  const lives = async (): Promise<Record<string, string>> => {
    const found: Record<string, string> = {};
    for (const key of await all()) {
      const left = await fixture.redis.pttl(key);
      const life = Object.entries(LIVES).find(([, ms]) => left > ms - 8_000 && left <= ms);
      if (life?.[0] !== 'before') found[key.slice(58)] = life?.[0] ?? `${String(left)} ms`;
    }
    return found;
  };

  it('live as long as the lock, or longer, from the moment in which it is won', async () => {
    await win(a, STREAM);
    const won = { owner: 'lock', term: 'keep', metadata: 'keep' };
    expect(await lives()).to.deep.equal(won);
    await age();
    await win(a, STREAM);
    expect(await lives()).to.deep.equal(won);
    await fixture.redis.del(names().owner);
    await age();
    await win(b, STREAM);
    expect(await lives()).to.deep.equal(won);
  });

  it('live on with each renewal, the viewers of a stream too', async () => {
    const own = await win(a, STREAM);
    await append(a, own, 1);
    await join(a, STREAM, CLIENT);
    await age();
    await a.owners.renew(own, { peers: 1 });
    const renewed = { owner: 'lock', term: 'keep', metadata: 'keep', clients: 'keep' };
    const ring = { 'buffer:index': 'keep', 'buffer:marks': 'keep' };
    expect(await lives()).to.deep.equal({ ...renewed, ...ring });
    await fixture.redis.del(names().owner);
    await age();
    await a.owners.renew(own, {});
    expect(await lives()).to.deep.equal({ ...renewed, ...ring });
  });

  it('live anew when the owner puts itself back', async () => {
    const own = await win(a, STREAM);
    await fixture.redis.flushall();
    await a.owners.restore(own, { init_time: own.life });
    expect(await lives()).to.deep.equal({ owner: 'lock', term: 'keep', metadata: 'keep' });
  });

  it('have the life of a chunk where they are one, and are kept where they tell of it', async () => {
    const own = await win(a, STREAM);
    await age();
    await append(a, own, 1);
    const kept = { 'buffer:index': 'keep', 'buffer:marks': 'keep', last_data: 'keep' };
    expect(await lives()).to.deep.equal({ 'buffer:chunk:1': 'chunk', ...kept });
    await age();
    await append(a, own, 2);
    expect(await lives()).to.deep.equal({ 'buffer:chunk:2': 'chunk', ...kept });
  });

  it('are leases where they are of viewers', async () => {
    await win(a, STREAM);
    await age();
    await join(a, STREAM, CLIENT);
    const lease = { clients: 'lease', [`clients:${CLIENT}`]: 'lease' };
    expect(await lives()).to.deep.equal(lease);
    await age();
    await join(b, STREAM, CLIENT);
    expect(await lives()).to.deep.equal(lease);
    await age();
    await b.clients.leave(STREAM, CLIENT, 5);
    expect(await lives()).to.deep.equal({ last_client_disconnect_time: 'lease' });
    await join(a, STREAM, CLIENT);
    await age();
    await fixture.redis.del(names().client(CLIENT));
    await a.clients.reap(STREAM, 6);
    expect(await lives()).to.deep.equal({ last_client_disconnect_time: 'lease' });
  });

  it('live as long as the lock where it is given to another worker, or the stream is stopped', async () => {
    const own = await win(a, STREAM);
    await age();
    await a.owners.transfer(own, b.worker, { rest: Buffer.alloc(0), tables: '' });
    expect(await lives()).to.deep.equal({ owner: 'lock' });
    const next = await win(b, STREAM);
    await age();
    await b.owners.beginStop(next, { now: 1, graceMs: 0, forced: true, idleSince: null });
    expect(await lives()).to.deep.equal({ owner: 'lock', stopping: 'lock' });
  });

  it('are kept where they tell the story', async () => {
    const own = await win(a, STREAM);
    await age();
    await a.owners.tell(own, [{ at: 1, what: 'x', why: '' }]);
    expect(await lives()).to.deep.equal({ story: 'keep' });
  });
});
