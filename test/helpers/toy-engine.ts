import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

const HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\nConnection: close\r\n\r\n';
const TICK_MS = 2;

/** The stream of every engine of the toy: 32-bit numbers from 0 on. */
export function counterBytes(from: number, length: number): Buffer {
  const first = Math.floor(from / 4);
  const words = Buffer.alloc((Math.ceil((from + length) / 4) - first) * 4);
  for (let at = 0; at < words.length; at += 4) words.writeUInt32LE(first + at / 4, at);
  return words.subarray(from - first * 4, from - first * 4 + length);
}

/** An engine that answers every request with the endless stream, `bytesPerTick` each 2 ms. */
export class ToyEngine {
  readonly sockets: Socket[] = [];
  /** Bytes of media sent, by connection. */
  readonly sent: number[] = [];
  readonly #server: Server;
  readonly #bytesPerTick: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(bytesPerTick: number) {
    this.#bytesPerTick = bytesPerTick;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get open(): number {
    return this.sockets.filter(({ destroyed }) => !destroyed).length;
  }

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    return this;
  }

  /** Sends no more and ends the connections with FIN. */
  stop(): void {
    clearInterval(this.#timer);
    for (const socket of this.sockets) socket.end();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    for (const socket of this.sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(socket: Socket): void {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      socket.write(HEAD);
      this.sent[this.sockets.push(socket) - 1] = 0;
    });
  }

  #tick(): void {
    for (const [index, socket] of this.sockets.entries()) {
      const sent = this.sent[index] ?? 0;
      // What the peer does not read is not sent, or an engine that nobody reads would fill memory.
      if (socket.destroyed || socket.writableNeedDrain) continue;
      socket.write(counterBytes(sent, this.#bytesPerTick));
      this.sent[index] = sent + this.#bytesPerTick;
    }
  }
}

/** What the owners of the toy handed on of one stream under one term. */
export interface Segment {
  readonly stream: string;
  readonly term: number;
  readonly pid: number;
  bytes: Buffer;
  ended: boolean;
}

/** Where the owners of the toy send what they read. */
export class ToySink {
  readonly segments: Segment[] = [];
  readonly #server = createServer((socket) => this.#accept(socket));
  readonly #parts = new Map<Segment, Buffer[]>();

  async start(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  /** The segments of a stream in the order of their terms. */
  of(stream: string): Segment[] {
    for (const [segment, parts] of this.#parts) {
      segment.bytes = Buffer.concat([segment.bytes, ...parts.splice(0)]);
    }
    return this.segments
      .filter((segment) => segment.stream === stream)
      .sort((a, b) => a.term - b.term);
  }

  async close(): Promise<void> {
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(socket: Socket): void {
    let segment: Segment | null = null;
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => {
      if (segment !== null) {
        this.#parts.get(segment)?.push(bytes);
        return;
      }
      const end = bytes.indexOf('\n');
      const [stream = '', term, pid] = bytes.toString('latin1', 0, end).split(' ');
      const rest = Buffer.from(bytes.subarray(end + 1));
      segment = { stream, term: Number(term), pid: Number(pid), bytes: rest, ended: false };
      this.segments.push(segment);
      this.#parts.set(segment, []);
    });
    socket.on('close', () => {
      if (segment !== null) segment.ended = true;
    });
  }
}
