import type { ClientId, StreamId, WorkerId } from '../ids.js';

const PREFIX = 'ace_proxy';
const STREAM_KEY = /^ace_proxy:stream:\{?([0-9a-f]{40})\}?:/;

/** The only place where key and channel names are made (spec 2.4). */
export interface Keys {
  readonly stream: (id: StreamId) => StreamKeys;
  readonly heartbeat: (worker: WorkerId) => string;
  /** Set of the ids of all running streams, so that listing needs no SCAN over chunks. */
  readonly streams: string;
  /** Sorted set: worker id by its last heartbeat (ms), so that listing the workers needs no SCAN. */
  readonly workers: string;
  /** List of the last ended streams, newest first, as JSON. */
  readonly history: string;
  /** String with a TTL: the kind that worked on an engine (engine-api 12). */
  readonly kind: (id: StreamId) => string;
  /** String with a TTL: the content was refused by an engine; its value is the reason. */
  readonly refused: (id: StreamId) => string;
  readonly engines: EngineKeys;
  /** Sorted set with a TTL: the connections of a user with a limit, by expiry (ms of Redis' clock). */
  readonly userPlaces: (user: string) => string;
  /** Sorted sets of leases by expiry (ms), kept only where a limit is set: admission counts them. */
  readonly admittedClients: string;
  readonly admittedStreams: string;
  /** Hash: stream → `expiry,bytes reserved,bytes held` of its ring. */
  readonly admittedBytes: string;
  /** Channel: which hosts showed a wrong key, token or signature. */
  readonly failures: string;
  /** Pattern that finds every key of every stream. */
  readonly streamPattern: string;
  /** The stream id in a key of a stream, or `null`. */
  readonly streamOf: (key: string) => StreamId | null;
}

export interface StreamKeys {
  readonly metadata: string;
  readonly owner: string;
  readonly term: string;
  readonly index: string;
  /** Hash: chunk number → JSON `ChunkMark`; and `tables:<crc>` → PAT and PMT packets, base64. */
  readonly marks: string;
  readonly chunk: (index: number) => string;
  /** The bytes of a chunk between their way to Redis and the step that makes them part of the ring. */
  readonly staged: (worker: WorkerId, term: number, index: number) => string;
  readonly clients: string;
  readonly client: (id: ClientId) => string;
  readonly clientStop: (id: ClientId) => string;
  readonly stopping: string;
  /** String with a TTL: somebody asks the owner to stop the stream; its value is the reason. */
  readonly stopRequest: string;
  readonly lastClientDisconnect: string;
  readonly connectionAttempt: string;
  readonly lastData: string;
  readonly activity: string;
  /** List of JSON `StoryEntry`, oldest first: what happened to the stream and why. */
  readonly story: string;
  /** Channel of JSON events. */
  readonly events: string;
  /** Channel of chunk notices. */
  readonly notices: string;
}

/** All engine keys share a hash tag: one script reads and reserves over all of them. */
export interface EngineKeys {
  /** Hash: engine id → JSON `EngineRecord`. */
  readonly registry: string;
  /** Hash: engine id → JSON `EngineHealth`. */
  readonly health: string;
  /** Hash: lease id → JSON `EngineReservation`. */
  readonly reservations: string;
  /** Sorted set: engine id by the time (ms) it was last assigned. */
  readonly assigned: string;
  /** Set: ids that were removed by hand; what is only configured stays away (spec 2.3). */
  readonly removed: string;
  /** Sorted set: source → time (ms, by Redis' clock) at which it last listed its engines. */
  readonly sources: string;
  /** String with a TTL: the worker that probes engines and polls the orchestrator. */
  readonly keeper: string;
  /** Channel: the registry changed. */
  readonly events: string;
}

export function makeKeys(options: { readonly hashTags: boolean }): Keys {
  const tag = (name: string): string => (options.hashTags ? `{${name}}` : name);
  const engines = `${PREFIX}:${tag('engines')}`;
  return {
    stream: (id) => streamKeys(tag(id)),
    heartbeat: (worker) => `${PREFIX}:worker:${worker}:heartbeat`,
    streams: `${PREFIX}:streams`,
    workers: `${PREFIX}:workers`,
    history: `${PREFIX}:history`,
    kind: (id) => `${PREFIX}:kind:${id}`,
    refused: (id) => `${PREFIX}:refused:${id}`,
    engines: {
      registry: engines,
      health: `${engines}:health`,
      reservations: `${engines}:reservations`,
      assigned: `${engines}:assigned`,
      removed: `${engines}:removed`,
      sources: `${engines}:sources`,
      keeper: `${engines}:keeper`,
      events: `${PREFIX}:events:engines`,
    },
    userPlaces: (user) => `${PREFIX}:user:${user}:places`,
    admittedClients: `${PREFIX}:admitted:clients`,
    admittedStreams: `${PREFIX}:admitted:streams`,
    admittedBytes: `${PREFIX}:admitted:bytes`,
    failures: `${PREFIX}:events:access`,
    streamPattern: `${PREFIX}:stream:*`,
    streamOf: (key) => (STREAM_KEY.exec(key)?.[1] ?? null) as StreamId | null,
  };
}

function streamKeys(id: string): StreamKeys {
  const base = `${PREFIX}:stream:${id}`;
  return {
    metadata: `${base}:metadata`,
    owner: `${base}:owner`,
    term: `${base}:term`,
    index: `${base}:buffer:index`,
    marks: `${base}:buffer:marks`,
    chunk: (index) => `${base}:buffer:chunk:${String(index)}`,
    staged: (worker, term, index) =>
      `${base}:buffer:staged:${worker}:${String(term)}:${String(index)}`,
    clients: `${base}:clients`,
    client: (client) => `${base}:clients:${client}`,
    clientStop: (client) => `${base}:client:${client}:stop`,
    stopping: `${base}:stopping`,
    stopRequest: `${base}:stop_request`,
    lastClientDisconnect: `${base}:last_client_disconnect_time`,
    connectionAttempt: `${base}:connection_attempt_time`,
    lastData: `${base}:last_data`,
    activity: `${base}:activity`,
    story: `${base}:story`,
    events: `${PREFIX}:events:${id}`,
    notices: `${PREFIX}:notices:${id}`,
  };
}
