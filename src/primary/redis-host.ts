import type { Clock } from '../shared/clock.js';
import type { Settings } from '../shared/config/settings.js';
import type { Logger } from '../shared/log/logger.js';
import { examineRedis } from '../shared/redis/examine.js';
import { embeddedMemory, EmbeddedRedis, usableMemory } from './embedded-redis.js';
import { expectedStreams, type StreamSettings } from './redis-advice.js';
import { chooseRedis, needsProbe, probeRedis } from './redis-probe.js';

/** The Redis that all workers use, be it ours or not. */
export interface RedisHost {
  readonly redis: Settings['redis'];
  /** Ends what is ours. */
  stop(): Promise<void>;
  /** The same at once: nothing may be left behind by a primary that cannot wait. */
  kill(): void;
}

const PROBE_TIMEOUT_MS = 1_000;
const NO_TLS = { enabled: false, ca: null, cert: null, key: null } as const;

/**
 * Decides by `REDIS_EMBEDDED` and starts a server where one is needed; rejects when it cannot, and with
 * `RedisRefused` when the configured one wants none of us.
 */
export async function provideRedis(
  all: Pick<Settings, 'redis' | StreamSettings>,
  clock: Clock,
  logger: Logger,
): Promise<RedisHost> {
  const settings = all.redis;
  const answer = needsProbe(settings)
    ? await probeRedis(settings.host, settings.port, PROBE_TIMEOUT_MS)
    : null;
  const choice = chooseRedis(settings, answer);
  if (!choice.embed) {
    await examineRedis(settings, logger);
    return { redis: settings, stop: () => Promise.resolve(), kill: () => undefined };
  }
  const { preferredPort, why } = choice;
  const streams = expectedStreams(all);
  const maxMemoryBytes = embeddedMemory(usableMemory(), streams, all.bufferMaxBytes);
  const { db } = settings;
  const embedded = await EmbeddedRedis.start({ logger, clock, preferredPort, db, maxMemoryBytes });
  logger.info('running an embedded Redis', { port: embedded.port, why, maxMemoryBytes });
  return {
    // It knows no user and no TLS, whatever another one would want.
    redis: { ...settings, url: embedded.url, username: null, password: null, tls: NO_TLS },
    stop: () => embedded.stop(),
    kill: () => {
      if (embedded.pid !== null) process.kill(embedded.pid, 'SIGKILL');
    },
  };
}
