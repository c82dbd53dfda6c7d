import { openRedisFixture, type RedisFixture } from './redis-fixture.js';
import { makeStores, type WorkerStores } from './scripted-redis.js';

export interface TwoWorkers {
  readonly fixture: RedisFixture;
  readonly a: WorkerStores;
  readonly b: WorkerStores;
}

/** For the tests around it: a Redis that is empty before each of them, and the stores of two workers. */
export function useTwoWorkers(ready: (two: TwoWorkers) => void): void {
  let fixture: RedisFixture;
  before(async () => {
    fixture = await openRedisFixture();
    const { redis, keys } = fixture;
    ready({ fixture, a: makeStores(redis, keys, 'a'), b: makeStores(redis, keys, 'b') });
  });
  after(() => fixture.close());
  beforeEach(() => fixture.redis.flushall());
}
