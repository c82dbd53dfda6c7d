import { expect } from 'chai';
import type { StreamId } from '../../../src/shared/ids.js';
import type { RedisFixture } from '../../helpers/redis-fixture.js';
import { win, type WorkerStores } from '../../helpers/scripted-redis.js';
import { useTwoWorkers } from '../../helpers/two-workers.js';
import { until } from '../../helpers/until.js';

const STREAM = 'f'.repeat(40) as StreamId;
const STOPPED = { type: 'stream_stopped', reason: 'test' } as const;
const YIELDED = { type: 'owner_changed', owner: '', term: 1, reason: 'test' } as const;

describe('what the scripts of ownership leave and tell', () => {
  let fixture: RedisFixture;
  let a: WorkerStores;
  let b: WorkerStores;
  useTwoWorkers((two) => ({ fixture, a, b } = two));

  const names = (): ReturnType<RedisFixture['keys']['stream']> => fixture.keys.stream(STREAM);

  it('give lock, term and metadata their lives back, and keep nothing that was there, in a restore', async () => {
    const own = await win(a, STREAM);
    await fixture.redis.del(names().owner, names().term);
    await fixture.redis.hset(names().metadata, 'stale', '1');
    await fixture.redis.persist(names().metadata);
    expect(await a.owners.restore(own, { init_time: own.life })).to.equal(true);
    expect(await fixture.redis.get(names().owner)).to.equal(a.worker);
    expect(await a.owners.readMetadata(STREAM)).to.deep.equal({ init_time: own.life });
    const { owner, term, metadata } = names();
    for (const key of [owner, term, metadata]) {
      expect(await fixture.redis.pttl(key), key).to.be.greaterThan(50_000);
    }
  });

  it('tell whoever listens that a lock was given back, and that a stream has ended', async () => {
    const listener = fixture.redis.duplicate({ enableOfflineQueue: true });
    const heard: string[] = [];
    try {
      await listener.subscribe(names().events);
      listener.on('message', (_channel, text) => heard.push(text));
      await win(a, STREAM);
      await a.owners.yieldLock(STREAM, YIELDED);
      await b.owners.end(await win(b, STREAM), STOPPED);
      await until('both are heard', () => heard.length >= 2);
      expect(heard).to.deep.equal([YIELDED, STOPPED].map((event) => JSON.stringify(event)));
    } finally {
      listener.disconnect();
    }
  });
});
