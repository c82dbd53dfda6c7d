import { connect, type Socket } from 'node:net';
import { readStamp } from '../simulator/stamp-format.js';
import { PACKET, payloadOffset } from '../simulator/ts-packet.js';
import { ChunkedBody } from './chunked-body.js';

/** What one client saw while it was measured. */
export interface ClientReport {
  readonly label: string;
  /** Bytes per second between its first and its last read. */
  readonly rate: number;
  /** ms between two reads at most. */
  readonly longestGapMs: number;
  readonly closed: boolean;
}

export interface ClientOptions {
  readonly port: number;
  readonly path: string;
  /** Sent as User-Agent: how the bench finds out which worker serves it. */
  readonly label: string;
  /** Reads the stamps of some packets. */
  readonly samples: boolean;
  /** Bytes per second it takes at most; 0 for all it can get. */
  readonly limit: number;
}

/**
 * All sockets read into the same memory: what arrives is counted and forgotten, so that the load
 * costs one `recv` per read and no garbage. Two chunks of 8 Mbit/s fit.
 */
const SINK = Buffer.allocUnsafe(256 * 1_024);
/** Every so manieth packet of a sampling client is looked at. */
const SAMPLE_EVERY = 16;
const CHUNKED = /\r\ntransfer-encoding: *chunked\r\n/i;

/** A player that throws everything away. */
export class LoadClient {
  readonly label: string;
  readonly #options: ClientOptions;
  readonly #socket: Socket;
  readonly #startedAt = performance.now();
  readonly #onFirstByte: () => void;
  #head: string | null = '';
  #status = 0;
  #chunked: ChunkedBody | null = null;
  #body = 0;
  #firstByteMs: number | null = null;
  #closed = false;
  #windowBytes = 0;
  #windowFrom = 0;
  #lastAt = 0;
  #longestGap = 0;
  #latencies: number[] | null = null;

  constructor(options: ClientOptions, onFirstByte: () => void) {
    this.#options = options;
    this.label = options.label;
    this.#onFirstByte = onFirstByte;
    const { port, path } = options;
    this.#socket = connect({
      port,
      host: '127.0.0.1',
      onread: { buffer: SINK, callback: (count) => this.#onRead(count) },
    });
    this.#socket.write(
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUser-Agent: ${options.label}\r\n\r\n`,
    );
    this.#socket.on('error', () => undefined);
    this.#socket.once('close', () => {
      this.#closed = true;
      onFirstByte();
    });
  }

  /** From the connect to the first byte of the body; `null` when there was none. */
  get firstByteMs(): number | null {
    return this.#status === 200 ? this.#firstByteMs : null;
  }

  /** Begins to measure: forgets what was before. */
  begin(): void {
    this.#windowBytes = 0;
    this.#windowFrom = 0;
    this.#longestGap = 0;
    this.#lastAt = 0;
    this.#latencies = this.#options.samples ? [] : null;
  }

  /** ms from the engine's write to the read, of the sampled packets since `begin`. */
  takeLatencies(): number[] {
    const taken = this.#latencies ?? [];
    this.#latencies = null;
    return taken;
  }

  report(): ClientReport {
    const seconds = (this.#lastAt - this.#windowFrom) / 1_000;
    const silence = this.#lastAt === 0 ? 0 : performance.now() - this.#lastAt;
    return {
      label: this.label,
      rate: seconds > 0 ? this.#windowBytes / seconds : 0,
      longestGapMs: Math.max(this.#longestGap, silence),
      closed: this.#closed,
    };
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Returns false to stop reading. */
  #onRead(count: number): boolean {
    const from = this.#head === null ? 0 : this.#readHead(count);
    if (from === count) return true;
    const now = performance.now();
    const before = this.#body;
    if (this.#chunked === null) this.#take(from, count);
    else this.#chunked.read(SINK, from, count, (begin, end) => this.#take(begin, end));
    if (this.#body === before) return true;
    if (this.#firstByteMs === null) {
      this.#firstByteMs = now - this.#startedAt;
      this.#onFirstByte();
    }
    this.#measure(this.#body - before, now);
    return this.#options.limit === 0 || this.#pause(count);
  }

  /** Where the body begins in the sink; its end when the head goes on. */
  #readHead(count: number): number {
    const text = (this.#head ?? '') + SINK.toString('latin1', 0, count);
    this.#head = text;
    const end = text.indexOf('\r\n\r\n');
    if (end === -1) return count;
    this.#status = Number(text.slice(9, 12));
    if (CHUNKED.test(text.slice(0, end + 2))) this.#chunked = new ChunkedBody();
    this.#head = null;
    return count - (text.length - end - 4);
  }

  /** Media that lies between these in the sink. */
  #take(from: number, to: number): void {
    if (this.#latencies !== null) this.#sample(from, to, this.#latencies);
    this.#body += to - from;
  }

  #measure(bytes: number, now: number): void {
    if (this.#lastAt === 0) {
      // The first read only opens the window: its bytes were on the way before.
      this.#windowFrom = now;
    } else {
      this.#windowBytes += bytes;
      if (now - this.#lastAt > this.#longestGap) this.#longestGap = now - this.#lastAt;
    }
    this.#lastAt = now;
  }

  /** Packets that lie whole in this read, one of `SAMPLE_EVERY`. */
  #sample(from: number, to: number, into: number[]): void {
    const now = Date.now();
    const begun = this.#body % PACKET;
    const first = begun === 0 ? from : from + PACKET - begun;
    for (let at = first; at + PACKET <= to; at += PACKET * SAMPLE_EVERY) {
      const stamp = readStamp(SINK, at, payloadOffset(SINK, at));
      if (stamp?.intact === true) into.push(now - stamp.wallMs);
    }
  }

  #pause(count: number): boolean {
    setTimeout(() => this.#socket.resume(), (count / this.#options.limit) * 1_000);
    return false;
  }
}
