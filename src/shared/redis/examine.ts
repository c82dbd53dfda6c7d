import type { RedisSettings } from '../config/settings.js';
import { withDeadline } from '../deadline.js';
import type { Logger } from '../log/logger.js';
import {
  connect,
  makeClient,
  masters,
  onConnectionError,
  type ClientBehaviour,
  type RedisClient,
} from './client.js';
import { closeConnection } from './connections.js';
import { explainRefusal } from './failures.js';
import { makeKeys } from './keys.js';

/** Redis answers and wants none of us; the message is for the operator. */
export class RedisRefused extends Error {
  constructor(explanation: string, cause: unknown) {
    super(explanation, { cause });
    this.name = 'RedisRefused';
  }
}

/** ms; a Redis that is away is waited for later, by everything that runs. */
const EXAMINATION_MS = 3_000;

const BEHAVIOUR = {
  lazyConnect: true,
  connectTimeout: EXAMINATION_MS,
  commandTimeout: EXAMINATION_MS,
  disconnectTimeout: 200,
  maxRetriesPerRequest: 0,
  enableOfflineQueue: false,
  retryStrategy: () => null,
} as const satisfies ClientBehaviour;

/**
 * Looks once at the Redis that is configured. Throws `RedisRefused` when waiting cannot help; warns
 * of what will hurt later. A Redis that is away is no fault.
 */
export async function examineRedis(settings: RedisSettings, logger: Logger): Promise<void> {
  let redis: RedisClient | null = null;
  const told: unknown[] = [];
  try {
    redis = makeClient(settings, BEHAVIOUR);
    onConnectionError(redis, (error) => told.push(error));
    await connect(redis, EXAMINATION_MS);
    await withDeadline(look(redis, settings, logger), EXAMINATION_MS, 'a look at Redis');
  } catch (error) {
    if (error instanceof RedisRefused) throw error;
    for (const cause of [error, ...told]) {
      const explanation = explainRefusal(cause);
      if (explanation !== null) throw new RedisRefused(explanation, cause);
    }
    logger.warn('Redis is away at the start', { error: told[0] ?? error });
  } finally {
    if (redis !== null) await closeConnection(redis);
  }
}

async function look(redis: RedisClient, settings: RedisSettings, logger: Logger): Promise<void> {
  // Scripts are what everything is made of; a user without them shows it here and not in mid-stream.
  const { streams } = makeKeys({ hashTags: settings.hashTags });
  await redis.eval("redis.call('TIME') return redis.call('EXISTS', KEYS[1])", 1, streams);
  for (const server of masters(redis)) {
    // ioredis only tells of a database that is not there, and goes on with number 0.
    const { db = 0 } = server.options;
    if (db !== 0) await server.select(db);
    const info = await server.info().catch(() => '');
    const field = (name: string): string | undefined =>
      new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];
    if (settings.cluster.length === 0 && field('cluster_enabled') === '1') {
      throw new RedisRefused(
        'this Redis is a node of a Cluster: set REDIS_CLUSTER instead of REDIS_URL or REDIS_HOST',
        null,
      );
    }
    const policy = field('maxmemory_policy');
    if (field('maxmemory') !== '0' && policy !== undefined && policy !== 'noeviction') {
      logger.warn('Redis may evict locks and chunks: set maxmemory-policy noeviction', { policy });
    }
    if (field('role') === 'slave') logger.warn('this Redis is a replica: it refuses to write');
  }
}
