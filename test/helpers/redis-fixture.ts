import type { Redis } from 'ioredis';
import type { RedisSettings } from '../../src/shared/config/settings.js';
import { silentLogger } from './silent-logger.js';
import { closeConnection, openControl, untilReady } from '../../src/shared/redis/connections.js';
import { makeKeys, type Keys } from '../../src/shared/redis/keys.js';
import { redisSettings } from './redis-settings.js';
import { startRedis, type TestRedis } from './redis-server.js';

/** A Redis of its own, and a connection as a worker has it. */
export interface RedisFixture {
  readonly server: TestRedis;
  readonly settings: RedisSettings;
  readonly redis: Redis;
  readonly keys: Keys;
  close(): Promise<void>;
}

export async function openRedisFixture(options = { hashTags: false }): Promise<RedisFixture> {
  const server = await startRedis();
  const { url, port } = server;
  const settings = redisSettings({ url, port, given: true, embedded: 'never', ...options });
  const redis = openControl(settings, silentLogger) as Redis;
  await untilReady(redis, 10_000);
  return {
    server,
    settings,
    redis,
    keys: makeKeys(options),
    close: async () => {
      await closeConnection(redis);
      await server.stop();
    },
  };
}
