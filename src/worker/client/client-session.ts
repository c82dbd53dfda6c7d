import type { Socket } from 'node:net';
import type { Clock } from '../../shared/clock.js';
import type { ClientId, KeyType, StreamId } from '../../shared/ids.js';
import type { PlayingSession, RingPosition } from '../../shared/ipc/messages.js';
import { joinHead, nullPackets, spliceHead, type SpliceHead } from '../../shared/mpegts/splice.js';
import type { Chunk, ChunkSource } from '../contracts.js';
import { emptied } from './emptied.js';
import { joinCursor, resumeCursor, type Cursor } from './ring-choice.js';

/** Life of one playing connection inside a worker. */
export const ClientState = {
  /** Everything up to the head is written: the next chunk goes out as it comes. */
  AtHead: 'at_head',
  /** The socket is full: nothing is written until it drains. */
  Blocked: 'blocked',
  /** A chunk that is no longer in memory is on its way from Redis. */
  Loading: 'loading',
  /** Its place in the ring is gone: it waits for a random access point to go on at. */
  Seeking: 'seeking',
  Closed: 'closed',
} as const;
export type ClientState = (typeof ClientState)[keyof typeof ClientState];

export interface ClientIdentity {
  readonly stream: StreamId;
  readonly keyType: KeyType;
  readonly client: ClientId;
  readonly ip: string;
  readonly userAgent: string;
  readonly connectedAt: number;
  /** Whose token opened it, where there are users. */
  readonly user?: string | null;
}

export interface ClientOptions {
  readonly identity: ClientIdentity;
  readonly socket: Socket;
  readonly source: ChunkSource;
  readonly clock: Clock;
  readonly joinBehindMs: number;
  /** A blocked socket that took nothing for this long makes a ghost. */
  readonly ghostMs: number;
  readonly onClosed: (client: ClientSession, reason: string) => void;
  readonly onSkip: () => void;
  /** The first filler of a gap is written. */
  readonly onGap: () => void;
  readonly onSent: (bytes: number) => void;
}

/**
 * Bytes written at once; whole packets. A slow socket then shows progress (`drain`) several times per
 * chunk of 1 MB, which is what tells a slow client from a ghost.
 */
const SLICE_BYTES = 188 * 1_394;
/** 7 packets are what one UDP datagram of TS carries: the customary filler. */
const FILLER = nullPackets(7);
/** ms without a byte after which fillers are sent (spec 3.4). */
const GAP_MS = 1_000;

/**
 * One player: a socket and a position in the ring (spec 1.5). It is an independent reader: it writes
 * while its socket takes bytes, waits for `drain` otherwise, and never queues more than one slice.
 */
export class ClientSession {
  readonly identity: ClientIdentity;
  readonly #options: ClientOptions;
  readonly #socket: Socket;
  #state: ClientState = ClientState.Loading;
  #cursor: Cursor = { index: 0, offset: 0 };
  /** True when the player has everything before the cursor; false while its place is looked for. */
  #placed = false;
  #term = 0;
  #life: number;
  /** Raised by every change that makes a pending load useless. */
  #generation = 0;
  #bytesBefore = 0;
  #written = 0;
  #chunksSent = 0;
  #skips = 0;
  #lastWriteAt: number;
  /** The last write before the gap that was told last. */
  #gapSince: number | null = null;
  #lastTakenAt: number;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.identity = options.identity;
    this.#socket = options.socket;
    this.#life = options.source.life;
    this.#lastWriteAt = options.clock.monotonic();
    this.#lastTakenAt = this.#lastWriteAt;
    this.#socket.on('drain', this.#onDrain);
    this.#socket.once('close', this.#onSocketClose);
    this.#socket.on('error', ignoreSocketError);
  }

  get socket(): Socket {
    return this.#socket;
  }

  get state(): ClientState {
    return this.#state;
  }

  /** Bytes its socket took from us, whatever worker wrote them. */
  get bytesSent(): number {
    return this.#bytesBefore + this.#written;
  }

  get chunksSent(): number {
    return this.#chunksSent;
  }

  get skips(): number {
    return this.#skips;
  }

  /** ms since a full socket took something; 0 while it takes what it is given. */
  get stalledMs(): number {
    const blocked = this.#state === ClientState.Blocked;
    return blocked ? this.#options.clock.monotonic() - this.#lastTakenAt : 0;
  }

  /** Chunks between the last one written and the head. */
  get behind(): number {
    return Math.max(0, this.#options.source.head - this.#cursor.index + 1);
  }

  /** Nothing is queued and its place is known: it can be handed over at once. */
  get movable(): boolean {
    const idle = this.#state === ClientState.AtHead && this.#socket.writableLength === 0;
    return idle && this.#placed;
  }

  get position(): RingPosition | null {
    return this.#placed ? { term: this.#term, ...this.#cursor } : null;
  }

  /** Begins to play where a joiner starts; the response head is already written. */
  async join(): Promise<void> {
    const cursor = joinCursor(this.#options.source.marks(), this.#options.joinBehindMs);
    if (cursor === null) {
      this.#enterSeeking(0);
      return;
    }
    await this.#begin(cursor, ({ tables, bytes }) => ({
      head: tables === null ? Buffer.alloc(0) : joinHead(tables, bytes, cursor.offset),
      from: cursor.offset,
    }));
  }

  /** Goes on exactly where another worker stopped, or at the next point when that is gone. */
  resume(session: PlayingSession, torn: boolean): void {
    this.#bytesBefore = session.bytesSent;
    this.#chunksSent = session.chunksSent;
    const { position } = session;
    if (torn || position === null) {
      this.#enterSeeking(position === null ? 0 : position.index + 1);
      return;
    }
    this.#cursor = { index: position.index, offset: position.offset };
    this.#term = position.term;
    this.#placed = true;
    this.#state = ClientState.AtHead;
    this.pump();
  }

  /** Writes what the socket takes. Called on every change of the ring and on every drain. */
  pump(): void {
    if (this.#state === ClientState.AtHead && this.#life !== this.#options.source.life) {
      this.#enterSeeking(0);
    } else if (this.#state === ClientState.Seeking) {
      this.#trySeek();
    }
    while (this.#state === ClientState.AtHead) {
      const chunk = this.#options.source.peek(this.#cursor.index);
      if (chunk === null) {
        if (this.#cursor.index <= this.#options.source.head) this.#enterLoading();
        return;
      }
      this.#writeFrom(chunk);
    }
  }

  /** Called a few times a second by the worker: fillers in a gap, the end of a ghost. */
  tick(keepalive: boolean): void {
    const now = this.#options.clock.monotonic();
    if (this.#state === ClientState.Blocked) {
      if (this.stalledMs > this.#options.ghostMs) this.close('ghost');
      return;
    }
    const { source } = this.#options;
    const beyond = this.#state === ClientState.AtHead && this.#cursor.index > source.head + 1;
    if (beyond && now - this.#lastWriteAt >= GAP_MS) this.#enterSeeking(0);
    if (keepalive && this.#mayFill() && now - this.#lastWriteAt >= GAP_MS) {
      this.#socket.write(FILLER);
      if (this.#gapSince !== this.#lastWriteAt) this.#options.onGap();
      this.#gapSince = this.#lastWriteAt;
    }
  }

  /** No fillers before the first PAT (spec 3.1), nor on top of what a socket did not take yet. */
  #mayFill(): boolean {
    const takes = this.#state !== ClientState.Blocked && this.#state !== ClientState.Closed;
    return takes && this.bytesSent > 0 && !this.#socket.writableNeedDrain;
  }

  /** Ends the connection with FIN, after what is queued; a socket that does not take it is cut. */
  close(reason: string): void {
    if (this.#state === ClientState.Closed) return;
    this.#enterClosed(reason);
    if (reason === 'ghost' || this.#socket.destroyed) {
      this.#socket.destroy();
      return;
    }
    this.#socket.end();
    this.#options.clock.setTimeout(() => this.#socket.destroy(), FIN_TIMEOUT_MS).unref();
  }

  /**
   * Lets go of the socket at a packet boundary with nothing queued; resolves to the session as it
   * stands then, or `null` when the player left or did not take its bytes in time.
   */
  async detach(deadlineMs: number): Promise<PlayingSession | null> {
    if (this.#isClosed()) return null;
    const position = this.position;
    this.#generation++;
    this.#state = ClientState.Closed;
    this.#socket.off('drain', this.#onDrain);
    if (!(await emptied(this.#socket, deadlineMs))) {
      this.#socket.destroy();
      return null;
    }
    this.#socket.off('close', this.#onSocketClose);
    const { bytesSent, chunksSent } = this;
    return { ...this.identity, bytesSent, chunksSent, position };
  }

  readonly #onDrain = (): void => {
    this.#lastTakenAt = this.#options.clock.monotonic();
    if (this.#state !== ClientState.Blocked) return;
    this.#state = ClientState.AtHead;
    this.pump();
  };

  readonly #onSocketClose = (): void => {
    if (!this.#isClosed()) this.#enterClosed('left');
  };

  async #begin(cursor: Cursor, head: (chunk: Chunk) => SpliceHead): Promise<void> {
    const generation = ++this.#generation;
    this.#state = ClientState.Loading;
    this.#life = this.#options.source.life;
    const chunk = await this.#load(cursor.index);
    if (generation !== this.#generation || this.#isClosed()) return;
    if (chunk === null) {
      this.#enterSeeking(cursor.index + 1);
      return;
    }
    const prologue = head(chunk);
    this.#cursor = { index: cursor.index, offset: prologue.from };
    this.#placed = true;
    this.#state = ClientState.AtHead;
    this.#write(prologue.head);
    this.pump();
  }

  async #load(index: number): Promise<Chunk | null> {
    try {
      return this.#options.source.peek(index) ?? (await this.#options.source.load(index));
    } catch {
      // Redis is away: the place is as good as gone; the client waits for what comes next.
      return null;
    }
  }

  #enterLoading(): void {
    const generation = ++this.#generation;
    const { index } = this.#cursor;
    this.#state = ClientState.Loading;
    void this.#load(index).then((chunk) => {
      if (generation !== this.#generation || this.#isClosed()) return;
      if (chunk === null) {
        this.#enterSeeking(index + 1);
        return;
      }
      this.#state = ClientState.AtHead;
      this.#writeFrom(chunk);
      this.pump();
    });
  }

  #enterSeeking(from: number): void {
    this.#generation++;
    this.#state = ClientState.Seeking;
    this.#placed = false;
    this.#cursor = { index: from, offset: 0 };
    this.#trySeek();
  }

  #trySeek(): void {
    const { joinBehindMs, source } = this.#options;
    if (this.#life !== source.life) {
      // The place was counted in a ring that is no more.
      this.#life = source.life;
      this.#cursor = { index: 0, offset: 0 };
    }
    const cursor = resumeCursor(source.marks(), this.#cursor.index, joinBehindMs);
    if (cursor === null) return;
    this.#skips++;
    this.#options.onSkip();
    void this.#begin(cursor, ({ tables, bytes }) =>
      tables === null
        ? { head: Buffer.alloc(0), from: cursor.offset }
        : spliceHead(tables, bytes, cursor.offset),
    );
  }

  #enterClosed(reason: string): void {
    this.#generation++;
    this.#state = ClientState.Closed;
    this.#socket.off('drain', this.#onDrain);
    this.#options.onClosed(this, reason);
  }

  #writeFrom(chunk: Chunk): void {
    const { offset } = this.#cursor;
    const end = Math.min(offset + SLICE_BYTES, chunk.bytes.length);
    const slice =
      end - offset === chunk.bytes.length ? chunk.bytes : chunk.bytes.subarray(offset, end);
    this.#term = chunk.term;
    if (end === chunk.bytes.length) {
      this.#cursor = { index: chunk.index + 1, offset: 0 };
      this.#chunksSent++;
    } else {
      this.#cursor = { index: chunk.index, offset: end };
    }
    this.#write(slice);
  }

  #write(bytes: Buffer): void {
    const now = this.#options.clock.monotonic();
    this.#lastWriteAt = now;
    this.#written += bytes.length;
    this.#options.onSent(bytes.length);
    if (bytes.length > 0 && !this.#socket.write(bytes)) {
      this.#state = ClientState.Blocked;
      this.#lastTakenAt = now;
    }
  }

  #isClosed(): boolean {
    return this.#state === ClientState.Closed;
  }
}

/** ms for a player to take the last bytes before its socket is cut. */
const FIN_TIMEOUT_MS = 2_000;

/** The `close` event follows and says all there is to say. */
function ignoreSocketError(): void {
  return;
}
