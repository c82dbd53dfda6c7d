import type { Redis } from 'ioredis';
import { silentLogger } from '../../helpers/silent-logger.js';
import { closeConnection, openControl, untilReady } from '../../../src/shared/redis/connections.js';
import { RedisEngineStore } from '../../../src/shared/redis/engine-store.js';
import type { EngineRecord } from '../../../src/shared/redis/engine-records.js';
import { makeKeys } from '../../../src/shared/redis/keys.js';
import { redisSettings } from '../../helpers/redis-settings.js';
import { startRedis, type TestRedis } from '../../helpers/redis-server.js';

export const keys = makeKeys({ hashTags: false }).engines;

/** A store on a real Redis of its own. */
export interface StoreFixture {
  readonly server: TestRedis;
  readonly redis: Redis;
  readonly store: RedisEngineStore;
  close(): Promise<void>;
}

export async function openStore(): Promise<StoreFixture> {
  const server = await startRedis();
  const settings = redisSettings({ url: server.url, given: true, embedded: 'never' });
  const redis = openControl(settings, silentLogger) as Redis;
  await untilReady(redis, 5_000);
  return {
    server,
    redis,
    store: new RedisEngineStore(redis, keys),
    close: async () => {
      await closeConnection(redis);
      await server.stop();
    },
  };
}

export function record(id: string, changes: Partial<EngineRecord> = {}): EngineRecord {
  return {
    id,
    host: '127.0.0.1',
    port: 6_878,
    forwarded: false,
    max: null,
    source: 'test',
    draining: false,
    withheld: false,
    containerId: null,
    ...changes,
  };
}
