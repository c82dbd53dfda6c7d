import { Redis, type RedisOptions } from 'ioredis';
import type { RedisSettings } from '../config/settings.js';
import { withDeadline } from '../deadline.js';
import type { Logger } from '../log/logger.js';

/**
 * A worker's three connections. A lock renewal must not wait behind media (style 5.1.7), and a
 * subscribed connection can do nothing else.
 */
export interface RedisConnections {
  /** Locks, leases, metadata: fails fast, so that nothing waits for ever. */
  readonly control: Redis;
  /** Chunks in and out: fails fast, never queues media while Redis is away. */
  readonly data: Redis;
  readonly subscriber: Redis;
  close(): Promise<void>;
}

/** ms; far below the shortest lock life, so that a frozen Redis is noticed before the lock ends. */
const CONTROL_TIMEOUT_MS = 1_000;
/** ms; a chunk of 1 MB may wait behind others. */
const DATA_TIMEOUT_MS = 2_000;
/** ms; followers resume within 2 s of Redis' return (spec 3.7), so retries stay close together. */
const MAX_RECONNECT_DELAY_MS = 250;
const CONNECT_TIMEOUT_MS = 2_000;
const CLOSE_TIMEOUT_MS = 500;

type Behaviour = Required<Pick<RedisOptions, 'maxRetriesPerRequest'>> &
  Pick<RedisOptions, 'enableOfflineQueue' | 'autoResendUnfulfilledCommands' | 'commandTimeout'>;

const FAIL_FAST = {
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  // A command whose answer got lost must not run twice (style 5.1.4).
  autoResendUnfulfilledCommands: false,
} as const;

export function openConnections(settings: RedisSettings, logger: Logger): RedisConnections {
  const control = open(settings, { ...FAIL_FAST, commandTimeout: CONTROL_TIMEOUT_MS });
  const data = open(settings, { ...FAIL_FAST, commandTimeout: DATA_TIMEOUT_MS });
  const subscriber = open(settings, { maxRetriesPerRequest: null });
  const all = { control, data, subscriber };
  for (const [name, redis] of Object.entries(all)) watch(redis, name, logger);
  return {
    ...all,
    close: async () => {
      await Promise.all(Object.values(all).map(closeConnection));
    },
  };
}

/** One connection for a process that only looks after things: the primary. */
export function openControl(settings: RedisSettings, logger: Logger): Redis {
  const redis = open(settings, { ...FAIL_FAST, commandTimeout: CONTROL_TIMEOUT_MS });
  watch(redis, 'control', logger);
  return redis;
}

/** Resolves when the connection can be used; rejects after `ms`. */
export async function untilReady(redis: Redis, ms: number): Promise<void> {
  if (redis.status === 'ready') return;
  await withDeadline(
    new Promise<void>((resolve) => redis.once('ready', resolve)),
    ms,
    'the connection to Redis',
  );
}

/** `quit` waits for queued commands; with Redis gone only `disconnect` ends (style 5.1.11). */
export async function closeConnection(redis: Redis): Promise<void> {
  try {
    if (redis.status === 'ready') await withDeadline(redis.quit(), CLOSE_TIMEOUT_MS, 'QUIT');
  } catch {
    // Redis is away: there is nothing to say goodbye to.
  } finally {
    // A disconnect of a connection that has ended keeps the process alive for 2 s.
    if (redis.status !== 'end') redis.disconnect();
  }
}

function open(settings: RedisSettings, behaviour: Behaviour): Redis {
  const common = {
    connectTimeout: CONNECT_TIMEOUT_MS,
    retryStrategy: (attempt: number) =>
      Math.min(25 * 2 ** Math.min(attempt, 6), MAX_RECONNECT_DELAY_MS),
    ...behaviour,
  };
  if (settings.url === null) {
    return new Redis({ ...common, host: settings.host, port: settings.port, db: settings.db });
  }
  const socket = /^unix:\/\/(.+)$/.exec(settings.url)?.[1];
  return socket === undefined
    ? new Redis(settings.url, common)
    : new Redis({ ...common, path: socket, db: settings.db });
}

function watch(redis: Redis, name: string, logger: Logger): void {
  let away = false;
  redis.on('error', (error: Error) => {
    if (!away) logger.warn('Redis is away', { connection: name, error });
    away = true;
  });
  redis.on('ready', () => {
    if (away) logger.info('Redis is back', { connection: name });
    away = false;
  });
}
