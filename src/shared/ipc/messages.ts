import type { Settings } from '../config/settings.js';
import type { ClientId, KeyType, StreamId, WorkerId } from '../ids.js';

/**
 * Everything the primary and its workers say to each other. Media never travels here; a socket may
 * ride along with `connection`, `adopt`, `replay`, `stream-handover` and `stream-adopt`.
 */

/** The primary's number of an accepted TCP connection; unique for the life of the primary. */
export type ConnectionId = number;

/** A media request whose response has not begun: enough to ask it again of another worker. */
export interface ParsedRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Where a client stands in the ring: the next byte it needs. */
export interface RingPosition {
  readonly term: number;
  readonly index: number;
  readonly offset: number;
}

/** A client session in full (spec 1.5): what another worker needs to go on writing to the socket. */
export interface PlayingSession {
  readonly stream: StreamId;
  readonly keyType: KeyType;
  readonly client: ClientId;
  readonly ip: string;
  readonly userAgent: string;
  readonly connectedAt: number;
  /** Whose token opened it, where there are users. */
  readonly user?: string | null;
  readonly bytesSent: number;
  readonly chunksSent: number;
  /** `null` when the worker died and only its last report is known. */
  readonly position: RingPosition | null;
}

/** What a worker says about itself with each heartbeat. */
export interface WorkerVitals {
  readonly clients: number;
  readonly streams: number;
  readonly eventLoopLagMs: number;
  readonly rssBytes: number;
}

export type PrimaryMessage =
  /** First message to a worker: it does nothing before. */
  | {
      readonly type: 'start';
      readonly worker: WorkerId;
      readonly settings: Settings;
      readonly apiKey: string;
      /** False when the primary made the key itself (spec 6: then listings stay open). */
      readonly apiKeyConfigured: boolean;
    }
  /** A new TCP connection, not yet read from. Carries a socket. */
  | { readonly type: 'connection'; readonly connection: ConnectionId }
  /** A playing client of a worker that died or drains. Carries a socket. */
  | {
      readonly type: 'adopt';
      readonly connection: ConnectionId;
      /** After a crash its position is the last report, up to half a second old; `null` if none came. */
      readonly session: PlayingSession;
      /** True when the last packet may be cut: resume with the discontinuity indicator. */
      readonly torn: boolean;
    }
  /** A request that a dead worker had read and not answered. Carries a socket. */
  | {
      readonly type: 'replay';
      readonly connection: ConnectionId;
      readonly request: ParsedRequest;
    }
  /** Hand over the clients of this stream that can move now; they go to the worker `to`. */
  | { readonly type: 'gather'; readonly stream: StreamId; readonly to: number }
  /** Take nothing new; `handover`: give clients back, else end them; then say `drained`. */
  | { readonly type: 'drain'; readonly handover: boolean; readonly deadlineMs: number }
  /** Who gets this stream of the asking worker: of the newest generation; `null`: nobody can. */
  | {
      readonly type: 'stream-target';
      readonly stream: StreamId;
      readonly worker: WorkerId | null;
    }
  /**
   * A stream that another worker hands over. Carries its engine's connection, of which the primary
   * keeps no copy; without a socket it was lost on the way, and the stream goes on with a new session.
   */
  | {
      readonly type: 'stream-adopt';
      readonly stream: StreamId;
      readonly term: number;
      readonly from: WorkerId;
    }
  | { readonly type: 'metrics-collect'; readonly request: number }
  | {
      readonly type: 'metrics-result';
      readonly request: number;
      /** One prom-client JSON registry per worker that answered in time. */
      readonly registries: readonly unknown[];
      readonly missing: number;
      readonly workers: readonly WorkerStatus[];
    };

/** A worker as the primary's own registry knows it. */
export interface WorkerStatus {
  readonly worker: WorkerId;
  readonly pid: number;
  readonly state: string;
  readonly heartbeatAgeMs: number;
  readonly restarts: number;
  readonly connections: number;
  readonly vitals: WorkerVitals | null;
}

export type WorkerMessage =
  /**
   * The worker listens to the channel. node:cluster drops what arrives before, so that `start` is
   * sent in answer to this.
   */
  | { readonly type: 'hello' }
  /** The worker serves: connections may be dealt to it. */
  | { readonly type: 'ready' }
  | { readonly type: 'heartbeat'; readonly vitals: WorkerVitals }
  | {
      readonly type: 'connection-request';
      readonly connection: ConnectionId;
      readonly request: ParsedRequest;
    }
  /** The response has begun and is not media (or is an error): the connection cannot be replayed. */
  | { readonly type: 'connection-answered'; readonly connection: ConnectionId }
  | {
      readonly type: 'connection-playing';
      readonly connection: ConnectionId;
      readonly session: PlayingSession;
    }
  /** Rough positions of all playing clients, twice a second: where an adopter resumes. */
  | {
      readonly type: 'positions';
      readonly positions: readonly (readonly [ConnectionId, RingPosition])[];
    }
  /** Nothing is queued on the socket and this worker will not touch it again. */
  | {
      readonly type: 'handover';
      readonly connection: ConnectionId;
      readonly session: PlayingSession;
      /** Process id of the worker that should get it; anybody when it is gone or absent. */
      readonly to?: number;
    }
  /** Not a byte was read from this connection and this worker will not touch it again. */
  | { readonly type: 'returned'; readonly connection: ConnectionId }
  /** Its message came without it: this process has no descriptor left (EMFILE). */
  | { readonly type: 'not-received'; readonly connection: ConnectionId }
  | { readonly type: 'connection-closed'; readonly connection: ConnectionId }
  /** The worker won a stream's lock: what to free when it dies. */
  | { readonly type: 'owning'; readonly stream: StreamId; readonly term: number }
  | { readonly type: 'released'; readonly stream: StreamId }
  /** Asked by an owner that drains, before it writes the answer into the lock. */
  | { readonly type: 'stream-target'; readonly stream: StreamId }
  /**
   * The lock names `to`, and all bytes that were read are in the ring. Carries the engine's
   * connection, which is closed when `to` is gone. `to` counts as the owner of `term` from now on.
   */
  | {
      readonly type: 'stream-handover';
      readonly stream: StreamId;
      readonly term: number;
      readonly to: WorkerId;
    }
  | { readonly type: 'metrics'; readonly request: number; readonly registry: unknown }
  | { readonly type: 'metrics-ask'; readonly request: number }
  /** The worker cannot start or go on; it exits next. `code` is a stable word for the log. */
  | { readonly type: 'failed'; readonly code: string; readonly message: string }
  | { readonly type: 'drained' };

const PRIMARY_TYPES: ReadonlySet<string> = new Set<PrimaryMessage['type']>([
  'start',
  'connection',
  'adopt',
  'replay',
  'gather',
  'drain',
  'stream-target',
  'stream-adopt',
  'metrics-collect',
  'metrics-result',
]);

const WORKER_TYPES: ReadonlySet<string> = new Set<WorkerMessage['type']>([
  'hello',
  'ready',
  'heartbeat',
  'connection-request',
  'connection-answered',
  'connection-playing',
  'positions',
  'handover',
  'returned',
  'not-received',
  'connection-closed',
  'owning',
  'released',
  'stream-target',
  'stream-handover',
  'metrics',
  'metrics-ask',
  'failed',
  'drained',
]);

/** Tells our messages from those that node:cluster and pm2 send over the same channel. */
export function isPrimaryMessage(value: unknown): value is PrimaryMessage {
  return hasType(value) && PRIMARY_TYPES.has(value.type);
}

export function isWorkerMessage(value: unknown): value is WorkerMessage {
  return hasType(value) && WORKER_TYPES.has(value.type);
}

function hasType(value: unknown): value is { type: string } {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as { type?: unknown }).type === 'string'
  );
}
