import { sleep, type Clock } from '../clock.js';
import { AppError } from '../errors.js';
import { classifyRedisFailure, RedisFailure } from './failures.js';

/** ms; a Redis that restarts or a connection that is cut is back before (spec 3.7). */
export const REDIS_PATIENCE_MS = 2_000;
/** ms; a connection that is made anew takes a few tens. */
const RETRY_MS = 50;

/**
 * Asks Redis for what a player waits for, and again while Redis is away, up to `REDIS_PATIENCE_MS`: a
 * player that comes in the moment of a fail-over is not refused for it. `ask` must be safe to repeat,
 * because an answer that got lost may stand for a command that ran. Rejects with the last failure, and
 * with the signal's reason.
 */
export async function patiently<T>(
  clock: Clock,
  ask: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const until = clock.monotonic() + REDIS_PATIENCE_MS;
  for (;;) {
    try {
      return await ask();
    } catch (thrown) {
      if (!isAway(thrown) || clock.monotonic() >= until) throw thrown;
    }
    await sleep(clock, RETRY_MS, signal);
  }
}

/** Also of an error that is worded for the player already. */
export function isAway(thrown: unknown): boolean {
  const failure = thrown instanceof AppError ? thrown.cause : thrown;
  return classifyRedisFailure(failure) === RedisFailure.Away;
}
