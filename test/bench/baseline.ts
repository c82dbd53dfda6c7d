import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { openEngineStream } from './engine-stream.js';
import { serve } from './processes.js';

/**
 * What the proxy is measured against: the least that one Node process can do. It reads the engine's
 * stream, cuts whole-packet chunks of the proxy's size and age, and writes each to every client that
 * takes it. No Redis, no second process, no leases, no join at a keyframe, no recovery of any kind.
 */
export interface BaselineMethods {
  start(options: { engine: string; chunkBytes: number; flushMs: number }): Promise<number>;
}

const PACKET = 188;
/** Chunks kept for clients that are behind: a few seconds. */
const KEPT = 40;
const HEAD =
  'HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n';

interface Reader {
  readonly socket: Socket;
  next: number;
  blocked: boolean;
}

class Channel {
  readonly readers = new Set<Reader>();
  readonly #chunks = new Map<number, Buffer>();
  readonly #limits: { chunkBytes: number; flushMs: number };
  #parts: Buffer[] = [];
  #bytes = 0;
  #head = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(limits: { chunkBytes: number; flushMs: number }) {
    this.#limits = limits;
  }

  push(bytes: Buffer): void {
    this.#parts.push(bytes);
    this.#bytes += bytes.length;
    if (this.#bytes >= this.#limits.chunkBytes) this.#cut();
    else this.#timer ??= setTimeout(() => this.#cut(), this.#limits.flushMs);
  }

  add(socket: Socket): void {
    const reader: Reader = { socket, next: this.#head + 1, blocked: false };
    this.readers.add(reader);
    socket.on('drain', () => {
      reader.blocked = false;
      this.#pump(reader);
    });
    socket.on('error', () => undefined);
    socket.once('close', () => this.readers.delete(reader));
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #cut(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const all = Buffer.concat(this.#parts);
    const whole = all.length - (all.length % PACKET);
    this.#parts = [all.subarray(whole)];
    this.#bytes = all.length - whole;
    if (whole === 0) return;
    this.#chunks.set(++this.#head, all.subarray(0, whole));
    this.#chunks.delete(this.#head - KEPT);
    for (const reader of this.readers) this.#pump(reader);
  }

  #pump(reader: Reader): void {
    while (!reader.blocked && reader.next <= this.#head) {
      const chunk = this.#chunks.get(reader.next);
      reader.next = chunk === undefined ? this.#head : reader.next + 1;
      if (chunk !== undefined) reader.blocked = !reader.socket.write(chunk);
    }
  }
}

const channels = new Map<string, Channel>();

/** Reads one content from the engine until nobody watches it any more. */
async function play(engine: string, id: string, channel: Channel): Promise<void> {
  const { media, stop } = await openEngineStream(engine, id);
  media.on('data', (bytes: Buffer) => {
    channel.push(bytes);
    if (channel.readers.size === 0) media.destroy();
  });
  await once(media, 'close').catch(() => undefined);
  channel.close();
  channels.delete(id);
  await stop();
}

serve<BaselineMethods>({
  async start({ engine, ...limits }) {
    const server = createServer((request, response) => {
      const id = new URL(request.url ?? '', 'http://host').searchParams.get('id') ?? '';
      const { socket } = request;
      response.detachSocket(socket);
      socket.removeAllListeners('data');
      socket.on('data', () => undefined);
      socket.write(HEAD);
      const known = channels.get(id);
      const channel = known ?? new Channel(limits);
      channels.set(id, channel);
      channel.add(socket);
      if (known === undefined) void play(engine, id, channel);
    });
    server.listen(0, '127.0.0.1', 4_096);
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  },
});
