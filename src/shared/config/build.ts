import { join } from 'node:path';

import { usesTls } from './redis-checks.js';
import { PACKET_BYTES } from './schema.js';
import type { Values } from './schema.js';
import type { RedisSettings, Settings } from './settings.js';

/** What a default may depend on, besides the configuration. */
export interface Machine {
  /** Cores this process may use. */
  readonly cores: number;
  /** True when standard output is a terminal. */
  readonly terminal: boolean;
}

const SHORT_KEY = 16;

export interface BuildInputs {
  readonly machine: Machine;
  /** The operator named a URL or a host of Redis. */
  readonly redisGiven: boolean;
  /** Where the default list of channels lies. */
  readonly configDir: string;
}

export function buildSettings(values: Values, inputs: BuildInputs): Settings {
  const { machine, redisGiven } = inputs;
  return deepFreeze({
    host: values.PROXY_HOST,
    port: values.PROXY_PORT,
    workers: values.PROXY_WORKERS ?? machine.cores,
    readBytes: values.PROXY_CHUNK_SIZE,
    chunkBytes: wholePackets(values.PROXY_BUFFER_CHUNK_SIZE),
    flushMs: values.PROXY_BUFFER_FLUSH_MS,
    bufferTtlMs: values.PROXY_BUFFER_TTL,
    bufferMaxBytes: values.PROXY_BUFFER_MAX_BYTES,
    bufferTotalBytes: values.PROXY_BUFFER_TOTAL_BYTES,
    gather: values.PROXY_GATHER,
    joinBehindMs: values.PROXY_JOIN_BEHIND,
    clientTtlMs: values.PROXY_CLIENT_TTL,
    heartbeatMs: values.PROXY_HEARTBEAT_INTERVAL,
    ghostMs: Math.round(values.PROXY_GHOST_CLIENT_MULTIPLIER * values.PROXY_HEARTBEAT_INTERVAL),
    cleanupMs: values.PROXY_CLEANUP_INTERVAL,
    graceMs: values.PROXY_GRACE_PERIOD,
    initTimeoutMs: values.PROXY_INIT_TIMEOUT,
    connectionTimeoutMs: values.PROXY_CONNECTION_TIMEOUT,
    stallTimeoutMs: values.PROXY_STALL_TIMEOUT,
    keepaliveMs: values.PROXY_KEEPALIVE_INTERVAL,
    ownerLockTtlMs: values.PROXY_OWNER_LOCK_TTL,
    maxRetries: values.PROXY_MAX_RETRIES,
    maxStreamsPerEngine: values.PROXY_MAX_STREAMS_PER_ENGINE,
    maxClients: values.PROXY_MAX_CLIENTS,
    maxStreams: values.PROXY_MAX_STREAMS,
    apiKey: values.PROXY_API_KEY,
    trustedProxies: values.PROXY_TRUSTED_PROXIES ?? [],
    access: {
      mediaTokens: values.PROXY_MEDIA_TOKEN ?? [],
      usersPath: values.PROXY_USERS,
      urlSecrets: values.PROXY_URL_SECRET ?? [],
      mediaNetworks: values.PROXY_MEDIA_NETWORKS,
      managementNetworks: values.PROXY_MANAGEMENT_NETWORKS,
    },
    publicUrl: values.PROXY_PUBLIC_URL,
    channels: {
      path: values.PROXY_CHANNELS ?? join(inputs.configDir, 'channels.json'),
      given: values.PROXY_CHANNELS !== null,
    },
    playlistFetch: values.PROXY_PLAYLIST_FETCH,
    shutdownTimeoutMs: values.PROXY_SHUTDOWN_TIMEOUT,
    engines: values.ACE_ENGINES ?? [],
    orchestratorUrl: values.ACE_ORCHESTRATOR_URL,
    redis: redisSettings(values, redisGiven),
    log: {
      level: values.LOG_LEVEL,
      format: values.LOG_FORMAT ?? (machine.terminal ? 'pretty' : 'json'),
    },
  });
}

function redisSettings(values: Values, given: boolean): RedisSettings {
  const { REDIS_SENTINELS: sentinels, REDIS_SENTINEL_NAME: name } = values;
  return {
    url: values.REDIS_URL,
    host: values.REDIS_HOST,
    port: values.REDIS_PORT,
    db: values.REDIS_DB,
    username: values.REDIS_USERNAME,
    password: values.REDIS_PASSWORD,
    tls: {
      enabled: usesTls(values),
      ca: values.REDIS_TLS_CA,
      cert: values.REDIS_TLS_CERT,
      key: values.REDIS_TLS_KEY,
    },
    cluster: values.REDIS_CLUSTER ?? [],
    sentinel:
      sentinels === null || name === null
        ? null
        : {
            addresses: sentinels,
            name,
            username: values.REDIS_SENTINEL_USERNAME,
            password: values.REDIS_SENTINEL_PASSWORD,
          },
    given,
    embedded: values.REDIS_EMBEDDED,
    hashTags: values.PROXY_REDIS_HASH_TAGS,
  };
}

/** What works, and yet not as the operator may believe. */
export function settingsWarnings(values: Values): string[] {
  const warnings: string[] = [];
  const asked = values.PROXY_BUFFER_CHUNK_SIZE;
  const used = wholePackets(asked);
  if (used !== asked) {
    warnings.push(
      `PROXY_BUFFER_CHUNK_SIZE=${String(asked)} is no whole number of ${String(PACKET_BYTES)}-byte packets: ${String(used)} is used`,
    );
  }
  if (values.PROXY_API_KEY !== null && values.PROXY_API_KEY.length < SHORT_KEY) {
    warnings.push(
      `PROXY_API_KEY is shorter than ${String(SHORT_KEY)} characters: it can be guessed`,
    );
  }
  if (values.PROXY_MEDIA_TOKEN?.some(({ length }) => length < SHORT_KEY)) {
    warnings.push(
      `PROXY_MEDIA_TOKEN is shorter than ${String(SHORT_KEY)} characters: it can be guessed`,
    );
  }
  return warnings;
}

function wholePackets(bytes: number): number {
  return Math.floor(bytes / PACKET_BYTES) * PACKET_BYTES;
}

function deepFreeze<T extends object>(value: T): T {
  for (const part of Object.values(value)) {
    if (typeof part === 'object' && part !== null) deepFreeze(part as object);
  }
  return Object.freeze(value);
}
