import { expect } from 'chai';
import { AppError } from '../../../src/shared/errors.js';
import { openRedisFixture, type RedisFixture } from '../../helpers/redis-fixture.js';
import { until } from '../../helpers/until.js';
import { startWorkers, type KitWorker } from '../../helpers/worker-kit.js';

const GUESSER = '2001:db8:1:2::7';
const NEIGHBOUR = '2001:db8:1:3::7';

describe('Failed tries at several workers', () => {
  let fixture: RedisFixture;
  let workers: KitWorker[];
  before(async () => {
    fixture = await openRedisFixture();
    workers = await startWorkers(3, { redis: fixture.settings, engines: [] });
  });
  after(async () => {
    await Promise.all(workers.map((worker) => worker.stop()));
    await fixture.close();
  });

  const answer = (worker: KitWorker, address: string, key: string): string => {
    try {
      worker.parts.access.checkKey(address, key);
      return 'let in';
    } catch (error) {
      return error instanceof AppError ? error.code : String(error);
    }
  };

  it('count together: whoever guesses has no more of them than at one', async () => {
    await until('all listen', async () => {
      const channel = fixture.keys.failures;
      const [, count] = (await fixture.redis.pubsub('NUMSUB', channel)) as [string, number];
      return count === workers.length;
    });
    for (let n = 0; n < 20; n += 1) {
      expect(answer(workers[n % 3]!, GUESSER, `wrong-${String(n)}`)).to.equal('FORBIDDEN');
    }
    await until('each of them blocks it', () =>
      workers.every((worker) => answer(worker, GUESSER, '') === 'TOO_MANY_FAILURES'),
    );
    for (const worker of workers) expect(answer(worker, NEIGHBOUR, '')).to.equal('let in');
  });
});
