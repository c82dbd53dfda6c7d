import type { Socket } from 'node:net';

import type {
  ConnectionId,
  ParsedRequest,
  PlayingSession,
  RingPosition,
  WorkerMessage,
} from '../shared/ipc/messages.js';
import type { Share } from './gather-policy.js';

/** How far a connection has come, as its worker told. */
export type Phase =
  /** No worker said that it has read a request. */
  | { readonly kind: 'dealt' }
  | { readonly kind: 'requested'; readonly request: ParsedRequest }
  /** A response has begun that cannot be repeated. */
  | { readonly kind: 'answered' }
  | { readonly kind: 'playing'; readonly session: PlayingSession };

/** What a worker is to do with a connection that it is given. */
export type Errand =
  | { readonly type: 'connection' }
  | { readonly type: 'replay'; readonly request: ParsedRequest }
  | { readonly type: 'adopt'; readonly session: PlayingSession; readonly torn: boolean };

/** An accepted TCP connection: the primary's own handle of it, and who serves it. */
export interface Connection {
  readonly id: ConnectionId;
  /** Never read here. */
  readonly socket: Socket;
  /** Process id of the worker it was dealt to; `null` while it waits for one. */
  readonly worker: number | null;
  readonly phase: Phase;
  /** Workers that died with its request unanswered, or could not take it. */
  readonly replays: number;
  /** Raised by every deal, so that the late failure of an older one is told from the current. */
  readonly deal: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** What a worker says about its connections. */
export type ConnectionMessage =
  | ProgressMessage
  | Extract<
      WorkerMessage,
      {
        readonly type: 'positions' | 'handover' | 'returned' | 'not-received' | 'connection-closed';
      }
    >;

/** What a worker reports of one of its connections, apart from giving it up. */
export type ProgressMessage = Extract<
  WorkerMessage,
  { readonly type: 'connection-request' | 'connection-answered' | 'connection-playing' }
>;

const CONNECTION_TYPES: ReadonlySet<string> = new Set<ConnectionMessage['type']>([
  'connection-request',
  'connection-answered',
  'connection-playing',
  'positions',
  'handover',
  'returned',
  'not-received',
  'connection-closed',
]);

export function isConnectionMessage(message: WorkerMessage): message is ConnectionMessage {
  return CONNECTION_TYPES.has(message.type);
}

/** Times that a request is asked again: it may be what the workers die of, or too much for all of them. */
export const MAX_REPLAYS = 2;

/**
 * What becomes of a connection that its worker cannot serve; `null`: it has to be closed.
 *
 * `dealt` is dealt again although a dead worker may have read a part of the request: that part is
 * lost, and the next worker's header timeout answers 408. A response that had begun cannot go on.
 */
export function rescueOf({ phase, replays }: Pick<Connection, 'phase' | 'replays'>): Errand | null {
  switch (phase.kind) {
    case 'dealt':
      return { type: 'connection' };
    case 'requested':
      return replays < MAX_REPLAYS ? { type: 'replay', request: phase.request } : null;
    case 'playing':
      return { type: 'adopt', session: phase.session, torn: true };
    case 'answered':
      return null;
  }
}

/** All connections the primary holds a handle of; the only writer of their state. */
export class ConnectionTable {
  readonly #all = new Map<ConnectionId, Mutable<Connection>>();
  readonly #byWorker = new Map<number, Set<ConnectionId>>();
  #lastId = 0;

  get size(): number {
    return this.#all.size;
  }

  add(socket: Socket): Connection {
    this.#lastId += 1;
    const id = this.#lastId;
    const connection = {
      id,
      socket,
      worker: null,
      replays: 0,
      deal: 0,
      phase: { kind: 'dealt' } as const,
    };
    this.#all.set(id, connection);
    return connection;
  }

  /** The connection if this worker has it: whatever else it reports is late and means nothing. */
  of(worker: number, id: ConnectionId): Connection | null {
    const found = this.#all.get(id);
    return found?.worker === worker ? found : null;
  }

  /** Open connections of a worker. */
  count(worker: number): number {
    return this.#byWorker.get(worker)?.size ?? 0;
  }

  all(): Connection[] {
    return [...this.#all.values()];
  }

  ofWorker(worker: number): Connection[] {
    return [...(this.#byWorker.get(worker) ?? [])].flatMap((id) => this.#all.get(id) ?? []);
  }

  /** Playing clients by stream and worker. */
  shares(): Share[] {
    const shares = new Map<string, { -readonly [K in keyof Share]: Share[K] }>();
    for (const { worker, phase } of this.#all.values()) {
      if (worker === null || phase.kind !== 'playing') continue;
      const { stream } = phase.session;
      const name = `${stream} ${String(worker)}`;
      const share = shares.get(name) ?? { stream, worker, clients: 0 };
      share.clients += 1;
      shares.set(name, share);
    }
    return [...shares.values()];
  }

  /** Notes a deal and returns its number. */
  dealTo(worker: number, connection: Connection): number {
    const entry = this.#entry(connection);
    this.#unassign(entry);
    entry.worker = worker;
    entry.deal += 1;
    const ids = this.#byWorker.get(worker) ?? new Set();
    this.#byWorker.set(worker, ids.add(entry.id));
    return entry.deal;
  }

  /** Its worker died with the request unanswered, or could not take it. */
  countReplay(connection: Connection): void {
    this.#entry(connection).replays += 1;
  }

  /** The connection waits for another worker. */
  takeBack(connection: Connection): void {
    this.#unassign(this.#entry(connection));
  }

  progress(worker: number, message: ProgressMessage): void {
    const found = this.of(worker, message.connection);
    if (found === null) return;
    const entry = this.#entry(found);
    entry.phase = phaseAfter(message);
    if (entry.phase.kind !== 'requested') entry.replays = 0;
  }

  /** What its last worker knew of a client it hands over. */
  handOver(connection: Connection, session: PlayingSession): void {
    this.#entry(connection).phase = { kind: 'playing', session };
  }

  position(worker: number, id: ConnectionId, position: RingPosition): void {
    const found = this.of(worker, id);
    if (found?.phase.kind !== 'playing') return;
    const session = { ...found.phase.session, position };
    this.#entry(found).phase = { kind: 'playing', session };
  }

  remove(connection: Connection): void {
    this.#unassign(this.#entry(connection));
    this.#all.delete(connection.id);
  }

  #entry(connection: Connection): Mutable<Connection> {
    const entry = this.#all.get(connection.id);
    if (entry === undefined) throw new Error('the connection is not in the table');
    return entry;
  }

  #unassign(entry: Mutable<Connection>): void {
    if (entry.worker === null) return;
    const ids = this.#byWorker.get(entry.worker);
    ids?.delete(entry.id);
    if (ids?.size === 0) this.#byWorker.delete(entry.worker);
    entry.worker = null;
  }
}

function phaseAfter(message: ProgressMessage): Phase {
  switch (message.type) {
    case 'connection-request':
      return { kind: 'requested', request: message.request };
    case 'connection-answered':
      return { kind: 'answered' };
    case 'connection-playing':
      return { kind: 'playing', session: message.session };
  }
}
