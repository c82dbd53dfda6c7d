import { expect } from 'chai';
import type { StreamId } from '../../../src/shared/ids.js';
import type { Ownership } from '../../../src/shared/redis/owner-store.js';
import type { RedisFixture } from '../../helpers/redis-fixture.js';
import { win, type WorkerStores } from '../../helpers/scripted-redis.js';
import { useTwoWorkers } from '../../helpers/two-workers.js';

const STREAM = 'd'.repeat(40) as StreamId;
const STOPPED = { type: 'stream_stopped', reason: 'test' } as const;

/** The keys of all streams together: who runs, who counts against the limits, who has memory for its ring. */
describe('the lists of running streams', () => {
  let fixture: RedisFixture;
  let a: WorkerStores;
  let b: WorkerStores;
  useTwoWorkers((two) => ({ fixture, a, b } = two));

  const ring = { wanted: 1_000, held: 0, total: 1_000_000, spread: false, runs: true };
  const begin = async (stores: WorkerStores, now: number): Promise<Ownership> => {
    const own = await win(stores, STREAM, now);
    await stores.owners.admit(STREAM, 5, Date.now());
    await stores.owners.reserveRing(STREAM, ring);
    return own;
  };
  const lists = async (): Promise<unknown[]> => [
    await a.owners.running(),
    await fixture.redis.zrange(fixture.keys.admittedStreams, '0', '-1'),
    await fixture.redis.hkeys(fixture.keys.admittedBytes),
  ];

  it('take a stream off that ended', async () => {
    await a.owners.end(await begin(a, 1), STOPPED);
    expect(await lists()).to.deep.equal([[], [], []]);
  });

  it('keep the life that began right behind it, when that end is remembered', async () => {
    expect(await a.owners.end(await begin(a, 1), STOPPED)).to.equal(true);
    await begin(b, 2);
    await a.owners.remember('{}');
    expect(await lists()).to.deep.equal([[STREAM], [STREAM], [STREAM]]);
  });

  it('keep a stream that ends for another owner, term or life', async () => {
    const own = await begin(a, 1);
    for (const other of [
      { ...own, term: 9 },
      { ...own, life: '9' },
    ]) {
      expect(await a.owners.end(other, STOPPED)).to.equal(false);
    }
    expect(await b.owners.end(own, STOPPED)).to.equal(false);
    expect(await lists()).to.deep.equal([[STREAM], [STREAM], [STREAM]]);
  });
});
