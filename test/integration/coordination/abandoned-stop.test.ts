import { expect } from 'chai';
import type { StreamId } from '../../../src/shared/ids.js';
import type { Ownership } from '../../../src/shared/redis/owner-store.js';
import { RedisReaper } from '../../../src/shared/redis/reaper.js';
import type { RedisFixture } from '../../helpers/redis-fixture.js';
import { clientNamed, join, win, type WorkerStores } from '../../helpers/scripted-redis.js';
import { useTwoWorkers } from '../../helpers/two-workers.js';

const STREAM = 'd'.repeat(40) as StreamId;
const YIELDED = { type: 'owner_changed', owner: '', term: 1, reason: 'test' } as const;

describe('a stop that nobody ends', () => {
  let fixture: RedisFixture;
  let a: WorkerStores;
  let b: WorkerStores;
  useTwoWorkers((two) => ({ fixture, a, b } = two));

  const begin = async (stores: WorkerStores, own: Ownership): Promise<void> => {
    const options = { now: 10_000, graceMs: 0, forced: true, idleSince: null };
    expect(await stores.owners.beginStop(own, options)).to.equal('begun');
    expect(await join(b, STREAM, clientNamed(1))).to.deep.equal({ joined: false });
  };

  it('is over when its owner gives the lock back', async () => {
    await begin(a, await win(a, STREAM, 7));
    await a.owners.yieldLock(STREAM, YIELDED);
    expect(await join(b, STREAM, clientNamed(1))).to.include({ joined: true });
    expect(await win(b, STREAM)).to.deep.equal({ stream: STREAM, term: 2, life: '7' });
  });

  it('is over when its owner gives the stream to another worker', async () => {
    const own = await win(a, STREAM, 7);
    await begin(a, own);
    await a.owners.transfer(own, b.worker, { rest: Buffer.alloc(0), tables: '' });
    expect(await win(b, STREAM)).to.deep.equal({ stream: STREAM, term: 2, life: '7' });
  });

  it('is over when the primary sees its owner die', async () => {
    await begin(a, await win(a, STREAM, 7));
    await new RedisReaper(fixture.redis, fixture.keys).reap(a.worker, []);
    expect(await win(b, STREAM)).to.deep.equal({ stream: STREAM, term: 2, life: '7' });
  });

  it('is left alone by whoever did not begin it', async () => {
    const { stopping, owner } = fixture.keys.stream(STREAM);
    await fixture.redis.mset(stopping, b.worker, owner, a.worker);
    await a.owners.yieldLock(STREAM, YIELDED);
    expect(await b.owners.acquire(STREAM, 'id', 1)).to.deep.equal({ outcome: 'stopping' });
  });
});
