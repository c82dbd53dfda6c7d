import { connect, type Socket } from 'node:net';
import { StampChecker, type StampReport } from '../simulator/stamps.js';
import { PATIENCE_MS, until } from './until.js';

export interface PlayerOptions {
  /** Bytes per second this player takes; as fast as it can by default. */
  readonly rate?: number;
  /** Keeps every byte, for comparing and for ffmpeg. */
  readonly record?: boolean;
  /** Sends this head instead of a plain GET. */
  readonly head?: string;
}

const NULL_PID = 0x1fff;

/** A player on a raw socket: what it got, when, and whether the connection was ever closed. */
export class Player {
  readonly checker = new StampChecker();
  readonly #socket: Socket;
  readonly #recorded: Buffer[] = [];
  #rate: number | undefined;
  #head = '';
  #headDone = false;
  #bytes = 0;
  #closed = false;
  #error: string | null = null;
  readonly #startedAt = Date.now();
  #firstByteAt: number | null = null;
  #lastMediaAt = 0;
  #longestGap = 0;
  #tail = Buffer.alloc(0);

  constructor(url: string, options: PlayerOptions = {}) {
    const { hostname, port, pathname, search } = new URL(url);
    this.#rate = options.rate;
    this.#socket = connect(Number(port), hostname);
    const head =
      options.head ?? `GET ${pathname}${search} HTTP/1.1\r\nHost: ${hostname}:${port}\r\n\r\n`;
    this.#socket.write(head);
    this.#socket.on('data', (bytes) => {
      this.#take(bytes, options.record === true);
      if (this.#rate !== undefined) this.#slowDown(bytes.length, this.#rate);
    });
    this.#socket.on('error', (error) => (this.#error = error.message));
    this.#socket.on('close', () => (this.#closed = true));
  }

  get status(): number | null {
    return this.#headDone ? Number(/^HTTP\/1\.[01] (\d+)/.exec(this.#head)?.[1]) : null;
  }

  get head(): string {
    return this.#head;
  }

  /** Bytes of the body. */
  get bytes(): number {
    return this.#bytes;
  }

  /** From the connect to the first byte of the body, in ms; `null` before. */
  get firstByteMs(): number | null {
    return this.#firstByteAt === null ? null : this.#firstByteAt - this.#startedAt;
  }

  /** True when the other side ended or cut the connection (or `leave` was called). */
  get closed(): boolean {
    return this.#closed;
  }

  get error(): string | null {
    return this.#error;
  }

  /** Longest time, in ms, without a media packet since the first one. */
  get longestGap(): number {
    return Math.max(this.#longestGap, this.#lastMediaAt === 0 ? 0 : Date.now() - this.#lastMediaAt);
  }

  /** Forgets the gaps so far. */
  resetGap(): void {
    this.#longestGap = 0;
    this.#lastMediaAt = Date.now();
  }

  body(): Buffer {
    return Buffer.concat(this.#recorded);
  }

  report(): StampReport {
    return this.checker.report();
  }

  async untilBytes(bytes: number, ms = PATIENCE_MS): Promise<void> {
    await until(
      `a player gets ${String(bytes)} bytes (has ${String(this.#bytes)}, status ${String(this.status)})`,
      () => this.#bytes >= bytes,
      ms,
    );
  }

  /** Resolves when `bytes` more have come than now. */
  async untilMore(bytes: number, ms = PATIENCE_MS): Promise<void> {
    await this.untilBytes(this.#bytes + bytes, ms);
  }

  async untilClosed(ms = PATIENCE_MS): Promise<void> {
    await until('the connection is closed', () => this.#closed, ms);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** From now on it takes what it gets. */
  hurry(): void {
    this.#rate = undefined;
    this.#socket.resume();
  }

  /** Goes away as a player does that is closed. */
  leave(): void {
    this.#socket.destroy();
  }

  #take(bytes: Buffer, record: boolean): void {
    let body = bytes;
    if (!this.#headDone) {
      this.#head += bytes.toString('latin1');
      const end = this.#head.indexOf('\r\n\r\n');
      if (end === -1) return;
      const before = this.#head.length - bytes.length;
      body = bytes.subarray(end + 4 - before);
      this.#head = this.#head.slice(0, end);
      this.#headDone = true;
    }
    if (body.length === 0) return;
    this.#firstByteAt ??= Date.now();
    this.#bytes += body.length;
    if (record) this.#recorded.push(Buffer.from(body));
    this.#watchGap(body);
    this.checker.push(body);
  }

  /** Null packets do not count as media. */
  #watchGap(body: Buffer): void {
    const all = this.#tail.length === 0 ? body : Buffer.concat([this.#tail, body]);
    const whole = all.length - (all.length % 188);
    let media = false;
    for (let at = 0; at < whole && !media; at += 188) {
      media = (all.readUInt16BE(at + 1) & 0x1fff) !== NULL_PID;
    }
    this.#tail = Buffer.from(all.subarray(whole));
    if (!media) return;
    const now = Date.now();
    if (this.#lastMediaAt > 0)
      this.#longestGap = Math.max(this.#longestGap, now - this.#lastMediaAt);
    this.#lastMediaAt = now;
  }

  #slowDown(bytes: number, rate: number): void {
    this.#socket.pause();
    setTimeout(() => this.#socket.resume(), (bytes / rate) * 1_000).unref();
  }
}
