import type { Socket } from 'node:net';
import { takeConnection } from '../../shared/raw-socket.js';
import { onceClosed, toFailure, HttpFailure } from './http-door.js';
import type { BodyHandlers, BodySource } from './http-door.js';

/** The rest of a body that another process began to read: all that comes until the connection ends. */
export class RawBody implements BodySource {
  readonly #socket: Socket;
  #handlers: BodyHandlers | null = null;
  #closed = false;
  /** `undefined` while the body goes on. */
  #end: HttpFailure | null | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    // In this tick: an error without a listener is an uncaught exception.
    socket.on('error', (error) => this.#finish(toFailure(error)));
    socket.once('end', () => this.#finish(null));
    socket.once('close', () => this.#finish(new HttpFailure('ECONNRESET', 'it was closed')));
  }

  readBody(handlers: BodyHandlers): void {
    this.#handlers = handlers;
    if (this.#end !== undefined) {
      handlers.onEnd(this.#end);
      return;
    }
    this.#socket.on('data', (bytes: Buffer) => {
      if (!this.#closed) handlers.onData(bytes);
    });
    this.#socket.resume();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#socket.destroy();
    if (!this.#socket.closed) await onceClosed(this.#socket);
  }

  release(): Socket | null {
    if (this.#handlers === null || this.#end !== undefined || this.#closed) return null;
    const released = takeConnection(this.#socket);
    if (released === null) return null;
    // Emits `data`.
    while (this.#socket.read() !== null);
    this.#closed = true;
    this.#socket.destroy();
    return released;
  }

  #finish(end: HttpFailure | null): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    if (!this.#closed) this.#handlers?.onEnd(end);
  }
}
