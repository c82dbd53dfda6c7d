import type { RedisSettings } from '../config/settings.js';
import { withDeadline } from '../deadline.js';
import type { Logger } from '../log/logger.js';
import {
  makeClient,
  onConnectionError,
  onConnectionReady,
  whenReady,
  type ClientBehaviour,
  type RedisClient,
} from './client.js';
import { explainRefusal } from './failures.js';

/**
 * A worker's three connections. A lock renewal must not wait behind media (style 5.1.7), and a
 * subscribed connection can do nothing else.
 */
export interface RedisConnections {
  /** Locks, leases, metadata: fails fast, so that nothing waits for ever. */
  readonly control: RedisClient;
  /** Chunks in and out: fails fast, never queues media while Redis is away. */
  readonly data: RedisClient;
  readonly subscriber: RedisClient;
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

const COMMON = {
  connectTimeout: CONNECT_TIMEOUT_MS,
  retryStrategy: (attempt: number) =>
    Math.min(25 * 2 ** Math.min(attempt, 6), MAX_RECONNECT_DELAY_MS),
} as const;

const FAIL_FAST = {
  ...COMMON,
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  // A command whose answer got lost must not run twice (style 5.1.4).
  autoResendUnfulfilledCommands: false,
} as const satisfies ClientBehaviour;

/** What it is to listen to waits for Redis. */
const SUBSCRIBER = {
  ...COMMON,
  enableOfflineQueue: true,
  maxRetriesPerRequest: null,
} as const satisfies ClientBehaviour;

export function openConnections(settings: RedisSettings, logger: Logger): RedisConnections {
  const control = makeClient(settings, { ...FAIL_FAST, commandTimeout: CONTROL_TIMEOUT_MS });
  const data = makeClient(settings, { ...FAIL_FAST, commandTimeout: DATA_TIMEOUT_MS });
  const subscriber = makeClient(settings, SUBSCRIBER);
  const all = { control, data, subscriber };
  for (const [name, redis] of Object.entries(all)) watch(redis, name, logger);
  if (settings.sentinel !== null) moveAlong(control, subscriber);
  return {
    ...all,
    close: async () => {
      await Promise.all(Object.values(all).map(closeConnection));
    },
  };
}

/** Nothing is asked on a subscription, so a master that fell silent shows on the control only. */
function moveAlong(control: RedisClient, subscriber: RedisClient): void {
  control.on('ready', () => {
    if (subscriber.status === 'ready') subscriber.disconnect(true);
  });
}

/** One connection for a process that only looks after things: the primary. */
export function openControl(settings: RedisSettings, logger: Logger): RedisClient {
  const redis = makeClient(settings, { ...FAIL_FAST, commandTimeout: CONTROL_TIMEOUT_MS });
  watch(redis, 'control', logger);
  return redis;
}

/** Resolves when the connection can be used; rejects after `ms`. */
export async function untilReady(redis: RedisClient, ms: number): Promise<void> {
  await whenReady(redis, ms);
}

/** `quit` waits for queued commands; with Redis gone only `disconnect` ends (style 5.1.11). */
export async function closeConnection(redis: RedisClient): Promise<void> {
  try {
    if (redis.status === 'ready') await withDeadline(redis.quit(), CLOSE_TIMEOUT_MS, 'QUIT');
  } catch {
    // Redis is away: there is nothing to say goodbye to.
  } finally {
    // A disconnect of a connection that has ended keeps the process alive for 2 s.
    if (redis.status !== 'end') redis.disconnect();
  }
}

/** Says once what is wrong, and once that it is over. */
function watch(redis: RedisClient, name: string, logger: Logger): void {
  let said: string | null = null;
  onConnectionError(redis, (error) => {
    const explanation = explainRefusal(error);
    const message = explanation ?? 'Redis is away';
    if (message === said) return;
    said = message;
    logger[explanation === null ? 'warn' : 'error'](message, { connection: name, error });
  });
  onConnectionReady(redis, () => {
    if (said !== null) logger.info('Redis is back', { connection: name });
    said = null;
  });
}
