import { withDeadline } from '../../shared/deadline.js';
import { toRedisError } from '../../shared/redis/failures.js';

/** ms; longer than one command may take, short enough for somebody who waits for the answer. */
const REDIS_DEADLINE_MS = 2_000;

/** Redis away, frozen or full becomes the error a user is told; a defect stays what it is. */
export async function fromRedis<T>(work: Promise<T>): Promise<T> {
  try {
    return await withDeadline(work, REDIS_DEADLINE_MS, 'Redis');
  } catch (thrown) {
    throw toRedisError(thrown);
  }
}
