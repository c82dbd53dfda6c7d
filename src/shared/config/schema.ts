import { ACCESS_VARIABLES } from './access-variables.js';
import {
  boolean,
  channelsPath,
  decimal,
  host,
  integer,
  keyText,
  oneOf,
  seconds,
} from './formats.js';
import { engineList, networkList } from './list-formats.js';
import { REDIS_ACCESS } from './redis-variables.js';
import { LOG_LEVELS, PLAYLIST_FETCH_SCOPES } from './settings.js';
import { httpUrl, redisUrl } from './url-formats.js';
import type { Variable } from './variable.js';

const DAY = 86_400;
const HOUR = 3_600;
const MIB = 1_048_576;

/** Bytes of an MPEG-TS packet (ISO 13818-1). */
export const PACKET_BYTES = 188;

/** Every variable in the order of the table. Lower bounds leave room for fast tests. */
export const VARIABLES = {
  PROXY_HOST: {
    format: host(),
    default: '0.0.0.0',
    unit: '',
    doc: 'Address on which the primary listens; `::` takes IPv6 and IPv4.',
  },
  PROXY_PORT: {
    format: integer(0, 65_535),
    default: '8000',
    unit: '',
    doc: 'Port on which the primary listens; 0 takes any free one.',
  },
  PROXY_WORKERS: {
    format: integer(1, 256),
    default: null,
    shownDefault: 'number of usable cores',
    unit: '',
    doc: 'Workers to fork.',
  },
  PROXY_GATHER: {
    format: integer(0, 1_000_000),
    default: '50',
    unit: '',
    doc: 'Few clients of a stream are moved to its owner, unless it would have so many more than the worker they leave. 0: nobody moves.',
  },
  PROXY_CHUNK_SIZE: {
    format: integer(PACKET_BYTES, 16 * MIB),
    default: '8192',
    unit: 'bytes',
    doc: 'Smallest read hand-over from the engine socket.',
  },
  PROXY_BUFFER_CHUNK_SIZE: {
    format: integer(PACKET_BYTES, 64 * MIB),
    default: '1061072',
    unit: 'bytes',
    doc: 'A chunk is cut at this size at the latest. Rounded down to whole 188-byte packets, with a warning.',
  },
  PROXY_BUFFER_FLUSH_MS: {
    format: integer(1, 60_000),
    default: '100',
    unit: 'ms',
    doc: 'A chunk is cut after this time at the latest, so that low bitrates keep moving.',
  },
  PROXY_BUFFER_TTL: {
    format: seconds(1, DAY),
    default: '60',
    unit: 's',
    doc: 'Life of a chunk key.',
  },
  PROXY_BUFFER_MAX_BYTES: {
    format: integer(PACKET_BYTES, 16_384 * MIB),
    default: '67108864',
    unit: 'bytes',
    doc: 'Ring bytes per stream; the oldest chunks go first.',
  },
  PROXY_BUFFER_TOTAL_BYTES: {
    format: integer(0, 16_384 * 1_024 * MIB),
    default: '0',
    unit: 'bytes',
    doc: 'Memory of Redis for all rings together; a stream that would not fit is refused. 0: nine tenths of `maxmemory`, no bound where Redis has none.',
  },
  PROXY_JOIN_BEHIND: {
    format: seconds(0, HOUR),
    default: '2',
    unit: 's',
    doc: 'A joiner starts at the newest keyframe that lies at least this far behind the head.',
  },
  PROXY_CLIENT_TTL: {
    format: seconds(0.2, DAY),
    default: '60',
    unit: 's',
    doc: 'Life of a client record.',
  },
  PROXY_HEARTBEAT_INTERVAL: {
    format: seconds(0.05, HOUR),
    default: '10',
    unit: 's',
    doc: 'How often a worker refreshes its client records.',
  },
  PROXY_GHOST_CLIENT_MULTIPLIER: {
    format: decimal(0.1, 1_000),
    default: '5.0',
    unit: '',
    doc: 'A client whose socket took no byte for multiplier × heartbeat is a ghost and is closed.',
  },
  PROXY_CLEANUP_INTERVAL: {
    format: seconds(0.1, DAY),
    default: '60',
    unit: 's',
    doc: 'The sweep for what events missed.',
  },
  PROXY_GRACE_PERIOD: {
    format: seconds(0, DAY),
    default: '5',
    unit: 's',
    doc: "From the last viewer's leaving to the stop of the stream.",
  },
  PROXY_INIT_TIMEOUT: {
    format: seconds(0.1, HOUR),
    default: '30',
    unit: 's',
    doc: 'No data and no progress for this long while starting: give up.',
  },
  PROXY_CONNECTION_TIMEOUT: {
    format: seconds(0.05, 600),
    default: '10',
    unit: 's',
    doc: 'Connecting to an engine, and waiting for its answer.',
  },
  PROXY_STALL_TIMEOUT: {
    format: seconds(0.1, 600),
    default: '5',
    unit: 's',
    doc: 'No bytes from the engine: reconnect; twice this: another engine.',
  },
  PROXY_KEEPALIVE_INTERVAL: {
    format: seconds(0.05, 60),
    default: '0.5',
    unit: 's',
    doc: 'Null packets to players in a gap.',
  },
  PROXY_OWNER_LOCK_TTL: {
    format: seconds(1, 600),
    default: '6',
    unit: 's',
    doc: "Life of an owner's lock, renewed at a third of it.",
  },
  PROXY_MAX_RETRIES: {
    format: integer(1, 100),
    default: '3',
    unit: '',
    doc: 'Attempts per engine before the next one.',
  },
  PROXY_MAX_STREAMS_PER_ENGINE: {
    format: integer(1, 10_000),
    default: '4',
    unit: '',
    doc: 'Capacity of an engine.',
  },
  PROXY_MAX_CLIENTS: {
    format: integer(0, 1_000_000),
    default: '0',
    unit: '',
    doc: 'Clients at most; above: 503 with `Retry-After`. 0 is no limit.',
  },
  PROXY_MAX_STREAMS: {
    format: integer(0, 1_000_000),
    default: '0',
    unit: '',
    doc: 'Streams at most; above: 503 with `Retry-After`. 0 is no limit.',
  },
  PROXY_API_KEY: {
    format: keyText(),
    default: null,
    shownDefault: 'made at start',
    unit: '',
    doc: 'Bearer key of the management routes.',
    sensitive: true,
  },
  PROXY_TRUSTED_PROXIES: {
    format: networkList(),
    default: null,
    unit: '',
    doc: 'Whose `X-Forwarded-*` is believed: IP addresses and networks, comma-separated.',
  },
  ...ACCESS_VARIABLES,
  PROXY_PUBLIC_URL: {
    format: httpUrl(),
    default: null,
    shownDefault: 'as the request came',
    unit: '',
    doc: 'Begins the addresses in playlists. Without it: `Host`, or `X-Forwarded-*` of a trusted proxy.',
  },
  PROXY_CHANNELS: {
    format: channelsPath(),
    default: null,
    shownDefault: 'config/channels.json',
    unit: '',
    doc: 'The channels of `GET /playlist.m3u` and their aliases: a `.json`, `.m3u` or `.m3u8` file, relative to the working directory. Read again when it changes.',
  },
  PROXY_PLAYLIST_FETCH: {
    format: oneOf(PLAYLIST_FETCH_SCOPES),
    default: 'off',
    unit: '',
    doc: 'Which addresses `GET /playlist.m3u?url=` may fetch a playlist from: `off`: none; `public`: the public internet; `any`: private networks and this host too.',
  },
  PROXY_SHUTDOWN_TIMEOUT: {
    format: seconds(0.1, 600),
    default: '10',
    unit: 's',
    doc: 'Time for a graceful stop before sockets are cut.',
  },
  PROXY_REDIS_HASH_TAGS: {
    format: boolean(),
    default: 'false',
    unit: '',
    doc: 'Puts `{}` round the id in key names, for Redis Cluster. The same on every host.',
  },
  ACE_ENGINES: {
    format: engineList(),
    default: null,
    unit: '',
    doc: 'Engines: `host:port[;forwarded][;id=NAME][;max=N]`, comma-separated, IPv6 in brackets.',
  },
  ACE_ORCHESTRATOR_URL: {
    format: httpUrl(),
    default: null,
    unit: '',
    doc: 'Poll `GET {url}/api/v1/engines` of an acestream-orchestrator and keep the registry equal to it.',
  },
  REDIS_URL: {
    format: redisUrl(),
    default: null,
    unit: '',
    doc: '`redis://`, `rediss://` or `unix://`; wins over the three below.',
    sensitive: true,
  },
  REDIS_HOST: { format: host(), default: 'localhost', unit: '', doc: 'Host of Redis.' },
  REDIS_PORT: { format: integer(1, 65_535), default: '6379', unit: '', doc: 'Port of Redis.' },
  REDIS_DB: { format: integer(0, 1_023), default: '0', unit: '', doc: 'Database number.' },
  ...REDIS_ACCESS,
  REDIS_EMBEDDED: {
    format: oneOf(['auto', 'always', 'never']),
    default: 'auto',
    unit: '',
    doc: '`auto`: the primary runs its own `redis-server` when neither URL nor host is given and nothing answers there; `always`; `never`.',
  },
  LOG_LEVEL: {
    format: oneOf(LOG_LEVELS),
    default: 'info',
    unit: '',
    doc: 'The least important level that is logged: `error`, `warn`, `info`, `debug`.',
  },
  LOG_FORMAT: {
    format: oneOf(['json', 'pretty']),
    default: null,
    shownDefault: 'json (pretty on a terminal)',
    unit: '',
    doc: 'One JSON object a line, or lines for people.',
  },
} as const satisfies Record<string, Variable<unknown>>;

export type VariableName = keyof typeof VARIABLES;

export const VARIABLE_NAMES = Object.keys(VARIABLES) as VariableName[];

/** What each variable is after parsing: durations in ms, `null` where there is no default. */
export type Values = {
  readonly [Name in VariableName]: ValueOf<(typeof VARIABLES)[Name]>;
};

type ValueOf<V> = V extends Variable<infer T, infer D> ? (D extends null ? T | null : T) : never;

/** Values that are fine alone and do not go together. */
export interface CrossCheck {
  /** The first one is named in the fault; without all of them the check says nothing. */
  readonly names: readonly [VariableName, ...VariableName[]];
  readonly broken: (values: Values) => boolean;
  readonly message: string;
}

/** The name of a variable in `config/*.json`: `PROXY_BUFFER_TTL` is `bufferTtl`, `ACE_ENGINES` is `aceEngines`. */
export function fileKey(name: string): string {
  return name
    .replace(/^PROXY_/, '')
    .toLowerCase()
    .replace(/_([a-z])/g, (_match, letter: string) => letter.toUpperCase());
}
