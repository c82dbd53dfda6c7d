import type { StreamId } from '../ids.js';
import { count, flag, isoTime, number, text, type Fields } from './fields.js';
import { qualityView, type QualityView } from './quality-view.js';
import type { RingView } from './ring-view.js';

/**
 * A stream as `GET /streams` and the scripts show it (spec 2.3). `started_at` and `ended_at` are
 * ISO 8601, as in the API of acestream-orchestrator; every other time has the name of its field in
 * Redis and its unit, milliseconds since the epoch. Unknown values are `null`.
 */
export interface StreamView {
  /** `<key>|<playback session>`, as in the API of acestream-orchestrator; the key while it starts. */
  readonly id: string;
  readonly key: string;
  readonly key_type: string;
  readonly status: StreamStatus;
  readonly state: string | null;
  /** The engine's id in the registry. */
  readonly container_id: string | null;
  readonly engine_host: string | null;
  readonly engine_port: number | null;
  readonly engine_forwarded: boolean | null;
  readonly playback_session_id: string | null;
  readonly stat_url: string | null;
  readonly command_url: string | null;
  readonly is_live: boolean | null;
  readonly is_encrypted: boolean | null;
  readonly started_at: string | null;
  readonly ended_at: string | null;
  /** The worker that holds the lock; `null` between two owners. */
  readonly owner: string | null;
  readonly term: number | null;
  readonly clients: number;
  /** bit/s */
  readonly bitrate: number | null;
  readonly peers: number | null;
  /** KB/s, as the engine says it. */
  readonly speed_down: number | null;
  readonly speed_up: number | null;
  readonly downloaded: number | null;
  readonly uploaded: number | null;
  readonly stat_status: string | null;
  readonly error_message: string | null;
}

export const STREAM_STATUSES = ['started', 'ended'] as const;
export type StreamStatus = (typeof STREAM_STATUSES)[number];

/** `GET /streams/:key`: the stream, its ring and what its viewers had to bear. */
export interface StreamDetail extends StreamView {
  readonly playback_url: string | null;
  readonly ring: RingView;
  readonly qoe: QualityView;
  readonly buffer_chunks: number;
  readonly total_bytes: number;
  readonly stopping: boolean;
  readonly init_time: number | null;
  readonly connection_ready_time: number | null;
  readonly state_changed_at: number | null;
  readonly error_time: number | null;
  readonly last_data: number | null;
}

export interface StreamFacts {
  readonly stream: StreamId;
  readonly metadata: Fields;
  /** Value of the owner lock. */
  readonly owner: string | null;
  readonly clients: number;
}

/** A stream in one of these states delivers nothing any more, although its keys are still there. */
const ENDED_STATES: ReadonlySet<string> = new Set(['stopped', 'error']);

export function streamView({ stream, metadata, owner, clients }: StreamFacts): StreamView {
  const state = text(metadata, 'state');
  const session = text(metadata, 'playback_session_id');
  const ended = state !== null && ENDED_STATES.has(state);
  return {
    id: session === null ? stream : `${stream}|${session}`,
    key: stream,
    key_type: text(metadata, 'key_type') ?? 'id',
    status: ended ? 'ended' : 'started',
    state,
    container_id: text(metadata, 'container_id') ?? text(metadata, 'engine_id'),
    engine_host: text(metadata, 'engine_host'),
    engine_port: number(metadata, 'engine_port'),
    engine_forwarded: flag(metadata, 'engine_forwarded'),
    playback_session_id: session,
    stat_url: text(metadata, 'stat_url'),
    command_url: text(metadata, 'command_url'),
    is_live: flag(metadata, 'is_live'),
    is_encrypted: flag(metadata, 'is_encrypted'),
    started_at: isoTime(number(metadata, 'init_time')),
    ended_at: ended ? isoTime(number(metadata, 'state_changed_at')) : null,
    owner,
    term: number(metadata, 'term'),
    clients,
    bitrate: number(metadata, 'bitrate'),
    peers: number(metadata, 'peers'),
    speed_down: number(metadata, 'speed_down'),
    speed_up: number(metadata, 'speed_up'),
    downloaded: number(metadata, 'downloaded'),
    uploaded: number(metadata, 'uploaded'),
    stat_status: text(metadata, 'stat_status'),
    error_message: text(metadata, 'error_message'),
  };
}

/** What the owner pushes to `keys.history` when a stream is over; `endedAt` in ms. */
export function endedStreamView(facts: StreamFacts, endedAt: number): StreamView {
  return { ...streamView(facts), status: 'ended', ended_at: isoTime(endedAt), owner: null };
}

/** An entry of `keys.history`; `null` for what is not one. */
export function parseEnded(json: string): StreamView | null {
  try {
    const value: unknown = JSON.parse(json);
    const known =
      typeof value === 'object' &&
      value !== null &&
      typeof (value as { key?: unknown }).key === 'string';
    return known ? { ...(value as StreamView), status: 'ended' } : null;
  } catch {
    return null;
  }
}

export function streamDetail(
  facts: StreamFacts,
  more: { readonly ring: RingView; readonly stopping: boolean; readonly lastData: string | null },
): StreamDetail {
  const { metadata } = facts;
  return {
    ...streamView(facts),
    playback_url: text(metadata, 'playback_url'),
    ring: more.ring,
    qoe: qualityView(metadata),
    buffer_chunks: count(metadata, 'buffer_chunks'),
    total_bytes: count(metadata, 'total_bytes'),
    stopping: more.stopping,
    init_time: number(metadata, 'init_time'),
    connection_ready_time: number(metadata, 'connection_ready_time'),
    state_changed_at: number(metadata, 'state_changed_at'),
    error_time: number(metadata, 'error_time'),
    last_data: number({ last_data: more.lastData ?? '' }, 'last_data'),
  };
}
