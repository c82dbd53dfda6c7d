/**
 * What the whole proxy is configured with, after validation and conversion.
 *
 * Durations are milliseconds and sizes are bytes here, whatever the unit of the variable they come
 * from. The object is frozen: it is read once, in the primary, and sent to the workers by IPC.
 */
export interface Settings {
  readonly host: string;
  readonly port: number;
  readonly workers: number;

  /** Smallest hand-over from the engine socket (`PROXY_CHUNK_SIZE`). */
  readonly readBytes: number;
  /** A chunk is cut at this size at the latest; always a multiple of 188. */
  readonly chunkBytes: number;
  readonly flushMs: number;
  readonly bufferTtlMs: number;
  readonly bufferMaxBytes: number;
  /** Memory of Redis for all rings; 0 means that only its `maxmemory` bounds. */
  readonly bufferTotalBytes: number;
  readonly gather: number;
  readonly joinBehindMs: number;

  readonly clientTtlMs: number;
  readonly heartbeatMs: number;
  /** A client whose socket took no byte for this long is a ghost. */
  readonly ghostMs: number;
  readonly cleanupMs: number;
  readonly graceMs: number;

  readonly initTimeoutMs: number;
  readonly connectionTimeoutMs: number;
  readonly stallTimeoutMs: number;
  readonly keepaliveMs: number;
  readonly ownerLockTtlMs: number;
  readonly maxRetries: number;

  readonly maxStreamsPerEngine: number;
  /** 0 means no limit. */
  readonly maxClients: number;
  /** 0 means no limit. */
  readonly maxStreams: number;

  /** The configured key, or `null`: then the primary makes one (spec 6). */
  readonly apiKey: string | null;
  readonly trustedProxies: readonly string[];

  readonly access: AccessSettings;

  /** Begins the addresses in playlists, without a trailing slash; `null`: as the request came. */
  readonly publicUrl: string | null;
  readonly channels: ChannelSettings;
  /** Which foreign playlists `GET /playlist.m3u?url=` may fetch. */
  readonly playlistFetch: PlaylistFetchScope;

  readonly shutdownTimeoutMs: number;

  readonly engines: readonly EngineAddress[];
  readonly orchestratorUrl: string | null;

  readonly redis: RedisSettings;
  readonly log: LogSettings;
}

/** Who may ask for media, and from where; everything is open where nothing is set. */
export interface AccessSettings {
  /** Tokens that everybody may share. */
  readonly mediaTokens: readonly string[];
  /** Path of the file of users, or `null`. */
  readonly usersPath: string | null;
  /** Secrets of signed addresses; the first one signs. */
  readonly urlSecrets: readonly string[];
  /** `null`: from everywhere. */
  readonly mediaNetworks: readonly string[] | null;
  readonly managementNetworks: readonly string[] | null;
}

export interface ChannelSettings {
  /** A `.json`, `.m3u` or `.m3u8` file. */
  readonly path: string;
  /** False for the default place, where there need not be a file. */
  readonly given: boolean;
}

export const PLAYLIST_FETCH_SCOPES = ['off', 'public', 'any'] as const;
export type PlaylistFetchScope = (typeof PLAYLIST_FETCH_SCOPES)[number];

export interface EngineAddress {
  /** `NAME` of `;id=NAME`, else `host:port`. */
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly forwarded: boolean;
  /** Streams this engine carries at most; `null` means the proxy's default. */
  readonly max: number | null;
}

export interface RedisSettings {
  /** `REDIS_URL`; wins over host, port and db. */
  readonly url: string | null;
  readonly host: string;
  readonly port: number;
  readonly db: number;
  /** Where the URL names none: an ACL user, and the password of it or of `default`. */
  readonly username: string | null;
  readonly password: string | null;
  readonly tls: RedisTlsSettings;
  /** Some nodes of a Redis Cluster, which name the others; empty without one. */
  readonly cluster: readonly RedisAddress[];
  readonly sentinel: RedisSentinelSettings | null;
  /** True when the operator named a Redis in any way, so that `auto` never embeds. */
  readonly given: boolean;
  readonly embedded: 'auto' | 'always' | 'never';
  /** Puts `{}` round the stream id in key names, so that Redis Cluster keeps a stream in one slot. */
  readonly hashTags: boolean;
}

export interface RedisAddress {
  readonly host: string;
  readonly port: number;
}

/** Files are paths: they are read with each connection that is made, so that a reload renews them. */
export interface RedisTlsSettings {
  /** True for `rediss://` too. */
  readonly enabled: boolean;
  /** The authorities to believe instead of the system's. */
  readonly ca: string | null;
  /** What the proxy shows of itself; both or none. */
  readonly cert: string | null;
  readonly key: string | null;
}

export interface RedisSentinelSettings {
  readonly addresses: readonly RedisAddress[];
  /** The name of the master. */
  readonly name: string;
  readonly username: string | null;
  readonly password: string | null;
}

export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogSettings {
  readonly level: LogLevel;
  readonly format: 'json' | 'pretty';
}
