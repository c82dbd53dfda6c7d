import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { systemClock, type Clock } from '../../src/shared/clock.js';
import type { ClientId, StreamId } from '../../src/shared/ids.js';
import type { ChunkSource } from '../../src/worker/contracts.js';
import {
  ClientSession,
  type ClientIdentity,
  type ClientOptions,
} from '../../src/worker/client/client-session.js';
import { until } from './until.js';

export const IDENTITY: ClientIdentity = {
  stream: 'a'.repeat(40) as StreamId,
  keyType: 'id',
  client: '0'.repeat(24) as ClientId,
  ip: '127.0.0.1',
  userAgent: 'test',
  connectedAt: 0,
};

/** Real timers, durations by hand. */
export class HandClock implements Clock {
  #at = 1_000;

  setTimeout(callback: () => void, ms: number): NodeJS.Timeout {
    return systemClock.setTimeout(callback, ms);
  }

  setInterval(callback: () => void, ms: number): NodeJS.Timeout {
    return systemClock.setInterval(callback, ms);
  }

  now(): number {
    return this.#at;
  }

  monotonic(): number {
    return this.#at;
  }

  pass(ms: number): void {
    this.#at += ms;
  }
}

/** A TCP connection over loopback: the worker's end and the player's. */
export class Wire {
  readonly socket: Socket;
  readonly peer: Socket;
  readonly clock = new HandClock();
  closedFor: string | null = null;
  skips = 0;
  gaps = 0;
  /** True as soon as something was written on top of what the socket had not taken. */
  disobeyed = false;
  mostQueued = 0;
  #received: Buffer[] = [];

  constructor(socket: Socket, peer: Socket) {
    this.socket = socket;
    this.peer = peer;
    peer.on('data', (bytes) => this.#received.push(bytes));
    peer.on('error', () => undefined);
    socket.on('data', () => undefined);
    this.#watchWrites();
  }

  static async open(): Promise<Wire> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const peer = connect((server.address() as AddressInfo).port, '127.0.0.1');
    const [socket] = (await once(server, 'connection')) as [Socket];
    server.close();
    return new Wire(socket, peer);
  }

  get received(): Buffer {
    return Buffer.concat(this.#received);
  }

  client(source: ChunkSource, changes: Partial<ClientOptions> = {}): ClientSession {
    return new ClientSession({
      identity: IDENTITY,
      socket: this.socket,
      source,
      clock: this.clock,
      joinBehindMs: 2_000,
      ghostMs: 5_000,
      onClosed: (_client, reason) => (this.closedFor = reason),
      onSkip: () => this.skips++,
      onGap: () => this.gaps++,
      onSent: () => undefined,
      ...changes,
    });
  }

  async untilReceived(bytes: number): Promise<Buffer> {
    const count = (): number => this.#received.reduce((sum, part) => sum + part.length, 0);
    await until(`${String(bytes)} bytes arrive (${String(count())})`, () => count() >= bytes);
    return this.received;
  }

  /** Resolves when nothing more is on its way. */
  async quiet(): Promise<void> {
    for (let before = -1, now = 0; before !== now;) {
      before = now;
      await new Promise((resolve) => setTimeout(resolve, 15));
      now = this.#received.length;
    }
  }

  end(): void {
    this.socket.destroy();
    this.peer.destroy();
  }

  #watchWrites(): void {
    const { socket } = this;
    const original = socket.write.bind(socket);
    const write = (bytes: string | Uint8Array): boolean => original(bytes);
    socket.write = (bytes: string | Uint8Array): boolean => {
      this.disobeyed ||= socket.writableNeedDrain;
      const taken = write(bytes);
      this.mostQueued = Math.max(this.mostQueued, socket.writableLength);
      return taken;
    };
  }
}
