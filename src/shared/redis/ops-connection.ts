import type { RedisSettings } from '../config/settings.js';
import type { OpsRedis } from '../inspect/inspect-redis.js';
import {
  connect,
  makeClient,
  masters,
  onConnectionError,
  type ClientBehaviour,
  type RedisClient,
} from './client.js';
import { closeConnection } from './connections.js';
import { defineScript } from './scripts.js';

/** What an operator's script talks to; `close` leaves nothing that would keep the process alive. */
export interface OpsConnection {
  readonly redis: OpsRedis;
  close(): Promise<void>;
}

/** ms; a person waits for the answer. */
const CONNECT_TIMEOUT_MS = 3_000;
/** ms; a listing of a busy proxy reads much, a frozen Redis must not hold the terminal. */
const COMMAND_TIMEOUT_MS = 5_000;
/** ms; how long a frozen Redis may delay the end of the script. */
const DISCONNECT_TIMEOUT_MS = 200;
/** ms; life of `last_client_disconnect_time`, longer than any sensible grace period. */
const LAST_DISCONNECT_TTL_MS = 60_000;

/** Keys per SCAN step: few round trips, and no step that others would feel. */
const SCAN_COUNT = 500;

const BEHAVIOUR = {
  lazyConnect: true,
  connectTimeout: CONNECT_TIMEOUT_MS,
  commandTimeout: COMMAND_TIMEOUT_MS,
  disconnectTimeout: DISCONNECT_TIMEOUT_MS,
  maxRetriesPerRequest: 0,
  enableOfflineQueue: false,
  retryStrategy: () => null,
} as const satisfies ClientBehaviour;

/** Connects once, without retries; rejects when Redis is away. */
export async function openOpsConnection(settings: RedisSettings): Promise<OpsConnection> {
  const redis = makeClient(settings, BEHAVIOUR);
  let cause: unknown;
  onConnectionError(redis, (error) => {
    cause ??= error;
  });
  try {
    await connect(redis, CONNECT_TIMEOUT_MS);
  } catch (error) {
    // On a socket that is gone already, `disconnect` keeps the process alive for its own timeout.
    if (redis.status !== 'end') redis.disconnect();
    throw cause ?? error;
  }
  return { redis: opsRedis(redis), close: () => closeConnection(redis) };
}

/** The commands of cleaning on a connection that is open. */
export function opsRedis(redis: RedisClient): OpsRedis {
  const purge = defineScript(redis, 'purgeStream-2');
  const leave = defineScript(redis, 'leaveStream-5');
  return {
    get: (key) => redis.get(key),
    exists: (...keys) => redis.exists(...keys),
    hget: (key, field) => redis.hget(key, field),
    hgetall: (key) => redis.hgetall(key),
    lrange: (key, start, stop) => redis.lrange(key, start, stop),
    scard: (key) => redis.scard(key),
    sismember: (key, member) => redis.sismember(key, member),
    smembers: (key) => redis.smembers(key),
    publish: (channel, message) => redis.publish(channel, message),
    set: (key, value, unit, ms) => redis.set(key, value, unit, ms),
    del: (key) => redis.del(key),
    sadd: (key, member) => redis.sadd(key, member),
    srem: (key, member) => redis.srem(key, member),
    scanAll: (pattern) => scanAll(redis, pattern),
    purgeStream: async (owner, clients, keys) => {
      const removed = Number(await purge([owner, clients, ...keys], []));
      return removed === -1 ? null : removed;
    },
    dropClient: async (drop) => {
      const left = await leave(
        [drop.clients, drop.record, drop.stop, drop.lastDisconnect, drop.metadata],
        [drop.client, drop.worker, drop.now, LAST_DISCONNECT_TTL_MS],
      );
      return left !== -1;
    },
  };
}

/** Of every master: in a Cluster each knows its own keys only. */
async function scanAll(redis: RedisClient, pattern: string): Promise<string[]> {
  const names = new Set<string>();
  for (const server of masters(redis)) {
    let cursor = '0';
    do {
      const [next, page] = await server.scan(cursor, 'MATCH', pattern, 'COUNT', SCAN_COUNT);
      for (const name of page) names.add(name);
      cursor = next;
    } while (cursor !== '0');
  }
  return [...names];
}
