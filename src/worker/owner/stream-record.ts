import type { ChunkMark, EngineStat, EngineSession } from '../contracts.js';
import type { Metadata } from '../../shared/redis/owner-store.js';
import type { EngineSlot } from './engine-runner.js';

/** `state` in the metadata (spec 2.4). */
export const StreamState = {
  Initializing: 'initializing',
  Connecting: 'connecting',
  Buffering: 'buffering',
  WaitingForClients: 'waiting_for_clients',
  Active: 'active',
  Stopping: 'stopping',
  Stopped: 'stopped',
  Error: 'error',
} as const;
export type StreamState = (typeof StreamState)[keyof typeof StreamState];

/** The metadata hash as its owner knows it: kept whole, because Redis may come back empty. */
export class StreamRecord {
  readonly #fields: Record<string, string | number>;
  #noted: Record<string, string | number> = {};
  #state: StreamState;

  constructor(inherited: Metadata, own: Metadata) {
    this.#fields = { ...inherited, ...own };
    this.#state = StreamState.Initializing;
  }

  get state(): StreamState {
    return this.#state;
  }

  get whole(): Metadata {
    return this.#fields;
  }

  /** As Redis gives the hash back. */
  asText(): Readonly<Record<string, string>> {
    return Object.fromEntries(Object.entries(this.#fields).map(([k, v]) => [k, String(v)]));
  }

  /** Remembers the fields and returns them, for the one write that publishes them. */
  set(fields: Metadata): Metadata {
    Object.assign(this.#fields, fields);
    return fields;
  }

  /** Remembers fields that can wait for the next pulse to be written. */
  note(fields: Metadata): void {
    Object.assign(this.#noted, this.set(fields));
  }

  /** What was noted since the last pulse. */
  takeNoted(): Metadata {
    const noted = this.#noted;
    this.#noted = {};
    return noted;
  }

  /** `null` when there is nothing to write: it is in this state already and `more` is empty. */
  enter(state: StreamState, now: number, more: Metadata = {}): Metadata | null {
    if (this.#state === state) return Object.keys(more).length === 0 ? null : this.set(more);
    this.#state = state;
    return this.set({ state, state_changed_at: now, ...more });
  }
}

export function engineFields(slot: EngineSlot): Metadata {
  const { engine } = slot;
  return {
    engine_id: engine.id,
    engine_host: engine.host,
    engine_port: engine.port,
    engine_forwarded: engine.forwarded ? 1 : 0,
    container_id: slot.containerId ?? '',
    engine_lease: slot.lease,
  };
}

/** Between two sessions: what the engine before gave means nothing on the next one. */
export const NO_SESSION: Metadata = {
  playback_url: '',
  stat_url: '',
  command_url: '',
  playback_session_id: '',
  session_pid: '',
};

/** URLs as the engine is really asked: its configured address with the session's paths. */
export function sessionFields(session: EngineSession): Metadata {
  const { host, port } = session.engine;
  const base = `http://${host.includes(':') ? `[${host}]` : host}:${String(port)}`;
  const url = (path: string | null): string => (path === null ? '' : base + path);
  return {
    playback_url: url(session.playbackPath),
    stat_url: url(session.statPath),
    command_url: url(session.commandPath),
    playback_session_id: session.playbackSessionId,
    session_pid: session.pid,
    accepted_as: session.acceptedAs,
    infohash: session.infohash ?? '',
    is_live: session.isLive ? 1 : 0,
    is_encrypted: session.isEncrypted ? 1 : 0,
  };
}

/** `marks` of the chunks that can still be had, oldest first. */
export function ringFields(marks: readonly ChunkMark[]): Metadata {
  return {
    buffer_chunks: marks.length,
    buffer_bytes: marks.reduce((sum, { size }) => sum + size, 0),
    buffer_seconds: ((marks.at(-1)?.at ?? 0) - (marks[0]?.at ?? 0)) / 1_000,
  };
}

export function statFields(stat: EngineStat): Metadata {
  return {
    ...(stat.status !== null && { stat_status: stat.status }),
    ...(stat.peers !== null && { peers: stat.peers }),
    ...(stat.speedDown !== null && { speed_down: stat.speedDown }),
    ...(stat.speedUp !== null && { speed_up: stat.speedUp }),
    ...(stat.downloaded !== null && { downloaded: stat.downloaded }),
    ...(stat.uploaded !== null && { uploaded: stat.uploaded }),
  };
}

/** The session that the metadata of a dead owner describes; `null` when there was none yet. */
export function sessionFromFields(
  fields: Readonly<Record<string, string>>,
  selector: EngineSession['selector'],
): EngineSession | null {
  const { engine_id: id, engine_host: host, engine_port: port, playback_url: playback } = fields;
  if (!id || !host || !port || !playback) return null;
  return {
    engine: {
      id,
      host,
      port: Number(port),
      forwarded: fields['engine_forwarded'] === '1',
      max: null,
    },
    selector,
    acceptedAs: fields['accepted_as'] === 'infohash' ? 'infohash' : 'content_id',
    pid: fields['session_pid'] ?? '',
    playbackSessionId: fields['playback_session_id'] ?? '',
    playbackPath: pathOf(playback) ?? '/',
    statPath: pathOf(fields['stat_url']),
    commandPath: pathOf(fields['command_url']),
    infohash: fields['infohash'] ? fields['infohash'] : null,
    isLive: fields['is_live'] === '1',
    isEncrypted: fields['is_encrypted'] === '1',
  };
}

function pathOf(url: string | undefined): string | null {
  if (!url) return null;
  const { pathname, search } = new URL(url);
  return pathname + search;
}
