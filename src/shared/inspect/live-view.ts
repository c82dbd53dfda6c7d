import { clientView, type ClientView } from './client-view.js';
import { number, type Fields } from './fields.js';
import { qualityView, type QualityView } from './quality-view.js';
import { parseStory, type StoryEntry } from './story.js';
import { parseEnded, streamView, type StreamFacts, type StreamView } from './stream-view.js';

/**
 * What `GET /events` says once a second: everything at one moment. While Redis is away only `at` and
 * `redis` are known.
 */
export interface Snapshot {
  /** Wall-clock ms. */
  readonly at: number;
  readonly redis: RedisView;
  readonly streams?: readonly LiveStream[];
  /** The last ones, newest first. */
  readonly ended?: readonly LiveEnded[];
  readonly engines?: readonly object[];
  readonly workers?: readonly WorkerView[];
  /** Only for who has shown the key (spec 6); at most `MAX_LIVE_CLIENTS`. */
  readonly clients?: readonly LiveClient[];
}

/** Players in one snapshot: as many as a page can show, and little enough to build every second. */
export const MAX_LIVE_CLIENTS = 500;

export interface LiveStream extends Pick<StreamView, LiveField>, Pick<QualityView, QualityField> {
  readonly stopping: boolean;
  readonly head: number | null;
  /** What a joiner could still get. */
  readonly ring_seconds: number | null;
  readonly ring_bytes: number | null;
  readonly story: readonly StoryEntry[];
}

type LiveField =
  | 'key'
  | 'state'
  | 'container_id'
  | 'engine_host'
  | 'engine_port'
  | 'started_at'
  | 'owner'
  | 'term'
  | 'clients'
  | 'bitrate'
  | 'peers'
  | 'speed_down'
  | 'error_message';

type QualityField =
  | 'grade'
  | 'faults'
  | 'losses_per_minute'
  | 'continuity_errors'
  | 'sync_losses'
  | 'splices'
  | 'pcr_jitter_ms'
  | 'pcr_interval_max_ms';

export interface LiveStreamFacts extends StreamFacts {
  readonly head: string | null;
  readonly stopping: boolean;
  readonly story: readonly string[];
}

export interface LiveEnded {
  readonly key: string;
  readonly ended_at: string | null;
  readonly container_id: string | null;
  readonly error_message: string | null;
  readonly story: readonly StoryEntry[];
}

export interface LiveClient extends ClientView {
  readonly stream: string;
}

/** A worker as its last heartbeat in Redis describes it. */
export interface WorkerView {
  readonly id: string;
  /** Wall-clock ms of the heartbeat. */
  readonly at: number | null;
  readonly clients: number;
  readonly streams: number | null;
  readonly event_loop_lag_ms: number | null;
  readonly rss_bytes: number | null;
  /** KB/s to all its players. */
  readonly rate_KBps: number | null;
}

export type RedisView =
  | { readonly available: false; readonly since: number }
  | {
      readonly available: true;
      /** ms for one round trip. */
      readonly latency_ms: number;
      readonly version: string | null;
      readonly used_bytes: number | null;
      /** 0: no limit. */
      readonly max_bytes: number | null;
      readonly commands_per_second: number | null;
      readonly connections: number | null;
      readonly uptime_seconds: number | null;
    };

export function liveStream(facts: LiveStreamFacts): LiveStream {
  const { metadata, head, stopping, story } = facts;
  const view = streamView(facts);
  const quality = qualityView(metadata);
  return {
    key: view.key,
    state: view.state,
    container_id: view.container_id,
    engine_host: view.engine_host,
    engine_port: view.engine_port,
    started_at: view.started_at,
    owner: view.owner,
    term: view.term,
    clients: view.clients,
    bitrate: view.bitrate,
    peers: view.peers,
    speed_down: view.speed_down,
    error_message: view.error_message,
    stopping,
    head: number({ head: head ?? '' }, 'head'),
    ring_seconds: number(metadata, 'buffer_seconds'),
    ring_bytes: number(metadata, 'buffer_bytes'),
    grade: quality.grade,
    faults: quality.faults,
    losses_per_minute: quality.losses_per_minute,
    continuity_errors: quality.continuity_errors,
    sync_losses: quality.sync_losses,
    splices: quality.splices,
    pcr_jitter_ms: quality.pcr_jitter_ms,
    pcr_interval_max_ms: quality.pcr_interval_max_ms,
    story: parseStory(story),
  };
}

/** An entry of `keys.history`; `null` for what is not one. */
export function liveEnded(json: string): LiveEnded | null {
  const view = parseEnded(json);
  if (view === null) return null;
  const { story } = view as { readonly story?: unknown };
  return {
    key: view.key,
    ended_at: view.ended_at,
    container_id: view.container_id,
    error_message: view.error_message,
    story: Array.isArray(story) ? parseStory(story.map((entry) => JSON.stringify(entry))) : [],
  };
}

export function liveClient(stream: string, id: string, record: Fields): LiveClient {
  return { stream, ...clientView(id, record) };
}

/** `heartbeat` is the value of the worker's key; `null` for what is not one. */
export function workerView(id: string, heartbeat: string): WorkerView | null {
  let beat: Record<string, unknown>;
  try {
    beat = { ...(JSON.parse(heartbeat) as Record<string, unknown>) };
  } catch {
    return null;
  }
  const finite = (name: string): number | null =>
    typeof beat[name] === 'number' && Number.isFinite(beat[name]) ? beat[name] : null;
  return {
    id,
    at: finite('at'),
    clients: finite('clients') ?? 0,
    streams: finite('streams'),
    event_loop_lag_ms: finite('eventLoopLagMs'),
    rss_bytes: finite('rssBytes'),
    rate_KBps: finite('rateKBps'),
  };
}

/** `infos` are the answers of `INFO`, one of each server: sums, and the least uptime. */
export function redisView(infos: readonly string[], latencyMs: number): RedisView {
  const servers = infos.map(infoFields);
  const numbers = (name: string): number[] =>
    servers.map((fields) => number(fields, name)).filter((value) => value !== null);
  const sum = (name: string): number | null => {
    const values = numbers(name);
    return values.length === 0 ? null : values.reduce((a, b) => a + b, 0);
  };
  const uptimes = numbers('uptime_in_seconds');
  return {
    available: true,
    latency_ms: Math.round(latencyMs * 10) / 10,
    version: servers[0]?.['redis_version'] ?? null,
    used_bytes: sum('used_memory'),
    max_bytes: sum('maxmemory'),
    commands_per_second: sum('instantaneous_ops_per_sec'),
    connections: sum('connected_clients'),
    uptime_seconds: uptimes.length === 0 ? null : Math.min(...uptimes),
  };
}

function infoFields(info: string): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const [, name = '', value = ''] of info.matchAll(/^(\w+):(.*?)\r?$/gm)) fields[name] = value;
  return fields;
}
