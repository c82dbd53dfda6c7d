import type { Socket } from 'node:net';
import type { CloseMode, Knobs } from './knobs.js';
import type { MediaSource } from './media-source.js';
import type { SeededRandom } from './random.js';
import type { Session } from './session-table.js';
import { PACKET } from './ts-packet.js';

/** Largest write: 1024 packets. */
const MAX_RUN = 1024;
/** What `mid-packet` sends of the packet it cuts, in bytes. */
const CUT_BYTES = 101;

/** What all readers of one content share. */
export interface ContentState {
  source: MediaSource;
  /** The position behind the last packet that any reader was sent. */
  sentUpTo: number;
  readersOpened: number;
}

const NO_FAULTS: Partial<Knobs> = {
  stallAfterMs: 0,
  stallAfterBytes: 0,
  eofAfterMs: 0,
  eofAfterBytes: 0,
  dropAtByte: 0,
  startOffset: 0,
  leadGarbageBytes: 0,
  corruptEvery: 0,
  loseEvery: 0,
  garbage: false,
  loopSeconds: 0,
};

export interface FeedOptions {
  socket: Socket;
  session: Session;
  content: ContentState;
  knobs: () => Readonly<Knobs>;
  random: SeededRandom;
  /** While true (a frozen engine) nothing is sent. */
  paused: () => boolean;
  /** No byte before this time (wall-clock ms). */
  notBefore: number;
}

/** Plays a content to one reader in real time: burst, live edge, and every fault the knobs ask for. */
export class Feed {
  readonly session: Session;
  readonly #socket: Socket;
  readonly #content: ContentState;
  readonly #options: FeedOptions;
  readonly #readerNumber: number;
  #openedAt = 0;
  #origin = 0;
  #position = -1;
  #loopStart = 0;
  #sentBytes = 0;
  #stalledSince: number | null = null;
  #autoStallDone = false;
  #over = false;

  constructor(options: FeedOptions) {
    this.#options = options;
    this.#socket = options.socket;
    this.session = options.session;
    this.#content = options.content;
    this.#content.readersOpened += 1;
    this.#readerNumber = this.#content.readersOpened;
    this.#socket.on('drain', () => this.tick(Date.now()));
  }

  get stalled(): boolean {
    return this.#stalledSince !== null;
  }

  /** Sends what is due. Nothing is dropped for a reader that takes too little: it keeps its position. */
  tick(now: number): void {
    if (this.#over || this.#socket.destroyed || this.#socket.writableNeedDrain) return;
    if (this.#options.paused()) return;
    this.session.lastActivity = now;
    if (now < this.#options.notBefore) return;
    const knobs = this.#knobs();
    if (this.#position < 0) this.#open(now, knobs);
    if (this.#ended(now, knobs)) {
      this.close(knobs.closeMode);
      return;
    }
    if (this.#stalls(now, knobs)) return;
    this.#send(now, knobs);
  }

  /** Ends the connection in the given manner; `mid-packet` sends a part of a packet first. */
  close(mode: CloseMode): void {
    if (this.#over) return;
    this.#over = true;
    if (mode === 'rst') {
      this.#socket.resetAndDestroy();
      return;
    }
    if (mode === 'mid-packet' && this.#position >= 0) {
      this.#write(this.#render(this.#position, 1, Date.now()).subarray(0, CUT_BYTES));
    }
    if (mode === 'chunk-end' && this.#knobs().framing !== 'close') this.#socket.write('0\r\n\r\n');
    this.#socket.end();
  }

  #knobs(): Readonly<Knobs> {
    const knobs = this.#options.knobs();
    const spared = knobs.faultyReaders > 0 && this.#readerNumber > knobs.faultyReaders;
    return spared ? { ...knobs, ...NO_FAULTS } : knobs;
  }

  #open(now: number, knobs: Readonly<Knobs>): void {
    const { source, sentUpTo } = this.#content;
    const burst = source.positionAt(now - knobs.burstSeconds * 1000);
    this.#openedAt = now;
    this.#position = knobs.reopen === 'gap' ? Math.max(burst, sentUpTo) : burst;
    this.#origin = Math.max(source.positionAt(now), this.#position);
    this.#loopStart = this.#position;
    if (knobs.leadGarbageBytes > 0)
      this.#write(this.#options.random.garbage(knobs.leadGarbageBytes));
    if (knobs.startOffset > 0) {
      this.#write(this.#render(this.#position - 1, 1, now).subarray(PACKET - knobs.startOffset));
    }
  }

  #ended(now: number, knobs: Readonly<Knobs>): boolean {
    const limit = this.#byteLimit(knobs);
    if (limit > 0 && this.#sentBytes >= limit) return true;
    return knobs.eofAfterMs > 0 && now - this.#openedAt >= knobs.eofAfterMs * knobs.timeScale;
  }

  #byteLimit(knobs: Readonly<Knobs>): number {
    if (knobs.dropAtByte > 0) return knobs.dropAtByte;
    return Math.ceil(knobs.eofAfterBytes / PACKET) * PACKET;
  }

  #stalls(now: number, knobs: Readonly<Knobs>): boolean {
    const { stallAfterMs, stallAfterBytes, resumeAfterMs, timeScale } = knobs;
    const due =
      (stallAfterMs > 0 && now - this.#openedAt >= stallAfterMs * timeScale) ||
      (stallAfterBytes > 0 && this.#sentBytes >= stallAfterBytes);
    const auto = due && !this.#autoStallDone;
    if (!auto && !knobs.stall) {
      if (this.#stalledSince !== null) this.#resume(now, knobs);
      return false;
    }
    this.#stalledSince ??= now;
    if (knobs.stall || resumeAfterMs === 0 || now - this.#stalledSince < resumeAfterMs * timeScale)
      return true;
    this.#autoStallDone = true;
    this.#resume(now, knobs);
    return false;
  }

  #resume(now: number, knobs: Readonly<Knobs>): void {
    this.#stalledSince = null;
    if (knobs.resumeMode === 'gap')
      this.#position = Math.max(this.#position, this.#live(now, knobs));
  }

  /** The position up to which packets are due. */
  #live(now: number, { speed }: Readonly<Knobs>): number {
    if (speed === 0) return Number.POSITIVE_INFINITY;
    const { source } = this.#content;
    const media = source.positionAt(this.#openedAt + (now - this.#openedAt) * speed);
    return this.#origin + media - source.positionAt(this.#openedAt);
  }

  #send(now: number, knobs: Readonly<Knobs>): void {
    const live = this.#live(now, knobs);
    const limit = this.#byteLimit(knobs);
    while (this.#position < live && !this.#socket.writableNeedDrain) {
      const room = limit > 0 ? limit - this.#sentBytes : Number.POSITIVE_INFINITY;
      const capped = this.#allowance(now, knobs);
      const count = Math.min(live - this.#position, MAX_RUN, Math.ceil(room / PACKET), capped);
      if (count <= 0) return;
      const bytes = this.#produce(count, now, knobs);
      this.#position += count;
      this.#content.sentUpTo = Math.max(this.#content.sentUpTo, this.#position);
      this.#write(bytes.length > room ? bytes.subarray(0, room) : bytes);
    }
  }

  #allowance(now: number, { bandwidthCap }: Readonly<Knobs>): number {
    if (bandwidthCap === 0) return MAX_RUN;
    const allowed = ((now - this.#openedAt) / 1000) * bandwidthCap - this.#sentBytes;
    return Math.floor(allowed / PACKET);
  }

  #produce(count: number, now: number, knobs: Readonly<Knobs>): Buffer {
    if (knobs.garbage) return this.#options.random.garbage(count * PACKET);
    const bytes = this.#renderLooped(count, now, knobs);
    if (knobs.corruptEvery === 0 && knobs.loseEvery === 0) return bytes;
    const kept: Buffer[] = [];
    for (let i = 0; i < count; i += 1) {
      const number = this.#position + i;
      if (knobs.loseEvery > 0 && number % knobs.loseEvery === 0) continue;
      if (knobs.corruptEvery > 0 && number % knobs.corruptEvery === 0) bytes[i * PACKET] = 0xb8;
      kept.push(bytes.subarray(i * PACKET, (i + 1) * PACKET));
    }
    return Buffer.concat(kept);
  }

  #renderLooped(count: number, now: number, { loopSeconds }: Readonly<Knobs>): Buffer {
    if (loopSeconds === 0) return this.#render(this.#position, count, now);
    const { source } = this.#content;
    const length = Math.max(1, Math.round((loopSeconds * source.bytesPerSecond) / PACKET));
    const runs: Buffer[] = [];
    for (let done = 0; done < count;) {
      const inLoop = (this.#position + done - this.#loopStart) % length;
      const run = Math.min(count - done, length - inLoop);
      // One time for all stamps: what comes again is what came before, bit for bit.
      runs.push(this.#render(this.#loopStart + inLoop, run, this.#openedAt));
      done += run;
    }
    return Buffer.concat(runs);
  }

  #render(position: number, count: number, now: number): Buffer {
    return this.#content.source.render(position, count, {
      session: this.session.ordinal,
      wallMs: now,
    });
  }

  #write(bytes: Buffer): void {
    this.#sentBytes += bytes.length;
    const { framing } = this.#options.knobs();
    if (framing === 'chunked' || framing === 'chunked-bad-size') {
      const size = framing === 'chunked' ? bytes.length : bytes.length + 1000;
      this.#socket.write(`${size.toString(16)}\r\n`);
      this.#socket.write(bytes);
      this.#socket.write('\r\n');
    } else {
      this.#socket.write(bytes);
    }
  }
}
