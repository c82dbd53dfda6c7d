import type { RedisClient } from './client.js';

/** Redis' clock, ms epoch. */
export async function readRedisTime(redis: RedisClient): Promise<number> {
  const [seconds, micros] = await redis.time();
  return Number(seconds) * 1_000 + Number(micros) / 1_000;
}
