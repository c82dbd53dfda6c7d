import type { Socket } from 'node:net';
import { takeConnection } from '../../shared/raw-socket.js';
import { onceClosed, toFailure, HttpFailure } from './http-door.js';
import type { BodyHandlers, BodySource } from './http-door.js';
import { ReadSegments } from './read-segments.js';

/**
 * The rest of a body whose head somebody else has read: all that comes until the connection ends. It
 * is read into segments, past the HTTP client and Node's streams.
 */
export class RawBody implements BodySource {
  readonly #socket: Socket;
  readonly #segments = new ReadSegments();
  #handlers: BodyHandlers | null = null;
  #closed = false;
  /** `undefined` while the body goes on. */
  #end: HttpFailure | null | undefined;

  /** Takes the connection out of `socket`, which must not have begun to read. */
  constructor(socket: Socket) {
    const own = takeConnection(socket, {
      buffer: () => this.#segments.room(),
      callback: (count) => this.#onRead(count),
    });
    this.#socket = own ?? socket;
    // In this tick: an error without a listener is an uncaught exception.
    this.#socket.on('error', (error) => this.#finish(toFailure(error)));
    this.#socket.once('end', () => this.#finish(null));
    this.#socket.once('close', () => this.#finish(new HttpFailure('ECONNRESET', 'it was closed')));
    if (own === null) this.#socket.destroy();
  }

  readBody(handlers: BodyHandlers): void {
    this.#handlers = handlers;
    if (this.#end !== undefined) handlers.onEnd(this.#end);
    else this.#socket.resume();
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
    this.#closed = true;
    this.#socket.destroy();
    return released;
  }

  /** Returns true to go on reading. */
  #onRead(count: number): boolean {
    const bytes = this.#segments.take(count);
    if (!this.#closed) this.#handlers?.onData(bytes);
    return true;
  }

  #finish(end: HttpFailure | null): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    if (!this.#closed) this.#handlers?.onEnd(end);
  }
}

/** An answer whose body is read past the HTTP client from its first byte on, where that can be. */
export class DirectBody implements BodySource {
  #body: BodySource;
  #closed = false;

  constructor(answer: BodySource) {
    this.#body = answer;
  }

  readBody(handlers: BodyHandlers): void {
    this.#body.readBody(handlers);
    // What the client had read by now goes to the handlers within this call.
    const socket = this.#body.release();
    if (socket === null) return;
    if (this.#closed) {
      // By a handler, in the middle of that call: what was closed no longer had the connection.
      socket.destroy();
      return;
    }
    this.#body = new RawBody(socket);
    this.#body.readBody(handlers);
  }

  close(): Promise<void> {
    this.#closed = true;
    return this.#body.close();
  }

  release(): Socket | null {
    return this.#body.release();
  }
}
