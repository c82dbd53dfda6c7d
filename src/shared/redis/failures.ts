import { AppError } from '../errors.js';

/** What a failed command says about Redis as a whole. */
export const RedisFailure = {
  /** Unreachable, frozen, restarting: the command may or may not have run. */
  Away: 'away',
  /** `noeviction` refuses writes: the memory bound is reached. */
  Full: 'full',
  /** Anything else is a defect of ours. */
  Defect: 'defect',
} as const;
export type RedisFailure = (typeof RedisFailure)[keyof typeof RedisFailure];

const AWAY =
  /^(LOADING|MASTERDOWN|READONLY|CLUSTERDOWN|TRYAGAIN|BUSY )|timed out|Connection is closed|enableOfflineQueue|max retries per request|ECONN|EPIPE|ENOENT|ETIMEDOUT|did not finish within/i;

export function classifyRedisFailure(thrown: unknown): RedisFailure {
  const text = thrown instanceof Error ? `${thrown.message} ${codeOf(thrown)}` : String(thrown);
  if (/\bOOM\b/.test(text)) return RedisFailure.Full;
  return AWAY.test(text) ? RedisFailure.Away : RedisFailure.Defect;
}

/** The failure as what a player is told; a defect stays what it is. */
export function toRedisError(thrown: unknown): Error {
  switch (classifyRedisFailure(thrown)) {
    case RedisFailure.Away:
      return new AppError('REDIS_UNAVAILABLE', {}, thrown);
    case RedisFailure.Full:
      return new AppError('REDIS_FULL', {}, thrown);
    case RedisFailure.Defect:
      return thrown instanceof Error ? thrown : new Error(String(thrown));
  }
}

function codeOf(error: Error): string {
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' ? code : '';
}
