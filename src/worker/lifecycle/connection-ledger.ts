import type { Socket } from 'node:net';

import type { Clock } from '../../shared/clock.js';
import type {
  ConnectionId,
  ParsedRequest,
  PlayingSession,
  RingPosition,
  WorkerMessage,
} from '../../shared/ipc/messages.js';

/** What the ledger needs of the channel; `PrimaryLink` is one. */
export interface LedgerLink {
  send(message: WorkerMessage): void;
  sendDroppable(message: WorkerMessage): void;
}

export interface LedgerDeps {
  readonly link: LedgerLink;
  readonly clock: Clock;
}

/** Where a playing client stands, by its socket. */
export type SocketPosition = readonly [Socket, RingPosition];

/** What an adopter of a dead worker's clients repeats at most. */
const POSITIONS_MS = 500;

/**
 * Which of the primary's connections each socket of this worker is. Tells the primary how far each
 * has come, so that it can give it to a sibling when this worker dies.
 *
 * Order for a media response, so that a crash in between closes the connection and never puts media
 * where a header belongs: `answered`, write the header (`flushHeaders`), `playing`.
 */
export class ConnectionLedger {
  readonly #deps: LedgerDeps;
  readonly #sockets = new Map<Socket, ConnectionId>();
  /** Those whose request this worker was to read and has not. */
  readonly #fresh = new Set<Socket>();
  #timer: NodeJS.Timeout | undefined;

  constructor(deps: LedgerDeps) {
    this.#deps = deps;
  }

  get size(): number {
    return this.#sockets.size;
  }

  /**
   * A socket that the primary dealt; to be called in the tick in which it came, before anybody else
   * listens to it. `how` is the message that carried it. `null`, when the peer was faster than the channel, is reported as closed.
   */
  add(
    connection: ConnectionId,
    socket: Socket | null,
    how: 'connection' | 'adopt' | 'replay',
  ): void {
    if (socket === null) {
      this.#deps.link.send({ type: 'connection-closed', connection });
      return;
    }
    // Whose it becomes may take a while, and a reset without a listener is an uncaught exception.
    socket.on('error', ignoreReset);
    if (how === 'connection') this.#fresh.add(socket);
    this.#enter(connection, socket);
  }

  /** The connection goes on in another socket object; the close of the old one means nothing. */
  move(from: Socket, to: Socket): void {
    const connection = this.#sockets.get(from);
    if (connection === undefined) return;
    this.#sockets.delete(from);
    this.#enter(connection, to);
  }

  idOf(socket: Socket): ConnectionId | null {
    return this.#sockets.get(socket) ?? null;
  }

  /** A request was read and can be asked again of another worker: nothing was answered yet. */
  requested(socket: Socket, request: ParsedRequest): void {
    this.#fresh.delete(socket);
    this.#report(socket, (connection) => ({ type: 'connection-request', connection, request }));
  }

  /** To be called before the first byte of the response is written. */
  answered(socket: Socket): void {
    this.#report(socket, (connection) => ({ type: 'connection-answered', connection }));
  }

  /** To be called after the header was written, before the first byte of media. */
  playing(socket: Socket, session: PlayingSession): void {
    this.#report(socket, (connection) => ({ type: 'connection-playing', connection, session }));
  }

  /**
   * Gives a playing client back, at a packet boundary; the TCP connection goes on at a sibling. The
   * caller has stopped writing: throws when bytes are still queued, for they would be lost. Closes
   * this worker's copy of the socket (`to`: for a certain worker), which is seen as `close` by whoever listens to it.
   */
  handover(socket: Socket, session: PlayingSession, to?: number): void {
    if (socket.writableLength > 0) throw new Error('bytes are still queued on the socket');
    this.#release(socket, (connection) => ({
      ...{ type: 'handover', connection, session },
      ...(to !== undefined && { to }),
    }));
  }

  /** Gives back the connections nobody has sent a byte on yet; returns how many. */
  returnUnread(): number {
    let returned = 0;
    for (const socket of [...this.#fresh]) {
      // A byte that was read, be it by the HTTP parser, is lost to the next worker.
      if (socket.bytesRead > 0 || socket.destroyed) continue;
      this.#release(socket, (connection) => ({ type: 'returned', connection }));
      returned += 1;
    }
    return returned;
  }

  /** Reports all positions every half second; the last report is where an adopter resumes. */
  reportPositions(positions: () => Iterable<SocketPosition>): void {
    clearInterval(this.#timer);
    this.#timer = this.#deps.clock.setInterval(
      () => this.#sendPositions(positions()),
      POSITIONS_MS,
    );
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #enter(connection: ConnectionId, socket: Socket): void {
    this.#sockets.set(socket, connection);
    socket.once('close', () => {
      this.#fresh.delete(socket);
      if (this.#sockets.delete(socket)) {
        this.#deps.link.send({ type: 'connection-closed', connection });
      }
    });
  }

  #sendPositions(positions: Iterable<SocketPosition>): void {
    const known: [ConnectionId, RingPosition][] = [];
    for (const [socket, position] of positions) {
      const connection = this.#sockets.get(socket);
      if (connection !== undefined) known.push([connection, position]);
    }
    if (known.length > 0) this.#deps.link.sendDroppable({ type: 'positions', positions: known });
  }

  #report(socket: Socket, message: (connection: ConnectionId) => WorkerMessage): void {
    const connection = this.#sockets.get(socket);
    if (connection !== undefined) this.#deps.link.send(message(connection));
  }

  /**
   * `destroy` closes this process's descriptor without a shutdown of the connection: no FIN is
   * sent as long as the primary holds its own.
   */
  #release(socket: Socket, message: (connection: ConnectionId) => WorkerMessage): void {
    const connection = this.#sockets.get(socket);
    if (connection === undefined) return;
    this.#sockets.delete(socket);
    this.#fresh.delete(socket);
    socket.pause();
    socket.destroy();
    this.#deps.link.send(message(connection));
  }
}

/** The `close` event follows. */
function ignoreReset(): void {
  return;
}
