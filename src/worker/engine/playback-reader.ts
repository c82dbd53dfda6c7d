import type { Socket } from 'node:net';
import { systemClock, type Clock } from '../../shared/clock.js';
import {
  EngineFaultKind,
  type EngineEnd,
  type EngineReader,
  type MovableReader,
} from '../contracts.js';
import { classifyNetworkFailure, printable } from './engine-fault.js';
import type { BodySource, HttpFailure } from './http-door.js';
import { adjoin } from './read-segments.js';

/** ms; small reads wait this long for company before they are handed over. */
const GATHER_MS = 20;

export interface ReaderSettings {
  /** bytes; smallest hand-over (`PROXY_CHUNK_SIZE`). */
  readonly readBytes: number;
  /** ms without a byte. */
  readonly stallTimeoutMs: number;
}

type Handlers = Parameters<EngineReader['start']>[0];

const ReaderState = {
  Ready: 'ready',
  Reading: 'reading',
  Ended: 'ended',
  Closed: 'closed',
} as const;
type ReaderState = (typeof ReaderState)[keyof typeof ReaderState];

/** Hands the bytes of one playback answer on and notices when they stop coming. */
export class PlaybackReader implements MovableReader {
  readonly #body: BodySource;
  readonly #settings: ReaderSettings;
  readonly #clock: Clock;
  #state: ReaderState = ReaderState.Ready;
  #handlers: Handlers | null = null;
  #gathered: Buffer | null = null;
  #gatherTimer: NodeJS.Timeout | undefined;
  #stallTimer: NodeJS.Timeout | undefined;
  #lastByteAt = 0;

  constructor(body: BodySource, settings: ReaderSettings, clock: Clock = systemClock) {
    this.#body = body;
    this.#settings = settings;
    this.#clock = clock;
  }

  start(handlers: Handlers): void {
    if (this.#state !== ReaderState.Ready) return;
    this.#state = ReaderState.Reading;
    this.#handlers = handlers;
    this.#lastByteAt = this.#clock.monotonic();
    this.#armStall(this.#settings.stallTimeoutMs);
    this.#body.readBody({
      onData: (bytes) => this.#take(bytes),
      onEnd: (failure) => this.#enterEnded(endOf(failure)),
    });
  }

  async close(): Promise<void> {
    this.#enterClosed();
    await this.#body.close();
  }

  release(): Socket | null {
    if (this.#state !== ReaderState.Reading) return null;
    const socket = this.#body.release();
    if (socket === null) return null;
    this.#handOver();
    this.#enterClosed();
    return socket;
  }

  #take(bytes: Buffer): void {
    if (this.#state !== ReaderState.Reading) return;
    this.#lastByteAt = this.#clock.monotonic();
    const before = this.#gathered;
    this.#gathered =
      before === null ? bytes : (adjoin(before, bytes) ?? Buffer.concat([before, bytes]));
    if (this.#gathered.length >= this.#settings.readBytes) {
      this.#handOver();
    } else {
      this.#gatherTimer ??= this.#clock.setTimeout(() => this.#handOver(), GATHER_MS);
    }
  }

  #handOver(): void {
    clearTimeout(this.#gatherTimer);
    this.#gatherTimer = undefined;
    const bytes = this.#gathered;
    this.#gathered = null;
    if (bytes !== null) this.#handlers?.onData(bytes);
  }

  #armStall(ms: number): void {
    this.#stallTimer = this.#clock.setTimeout(() => {
      // After a blocked event loop the timers run before the socket is read: look once more after it.
      setImmediate(() => this.#checkStall());
    }, ms);
  }

  #checkStall(): void {
    if (this.#state !== ReaderState.Reading) return;
    const { stallTimeoutMs } = this.#settings;
    const left = this.#lastByteAt + stallTimeoutMs - this.#clock.monotonic();
    if (left > 0) {
      this.#armStall(left);
      return;
    }
    this.#enterEnded({
      kind: EngineFaultKind.Timeout,
      reason: 'stall',
      message: `no bytes for ${String(stallTimeoutMs)} ms`,
    });
  }

  #enterEnded(end: EngineEnd): void {
    if (this.#state !== ReaderState.Reading) return;
    this.#handOver();
    this.#state = ReaderState.Ended;
    this.#clearTimers();
    void this.#body.close();
    this.#handlers?.onEnd(end);
  }

  #enterClosed(): void {
    this.#state = ReaderState.Closed;
    this.#clearTimers();
    this.#gathered = null;
    this.#handlers = null;
  }

  #clearTimers(): void {
    clearTimeout(this.#gatherTimer);
    clearTimeout(this.#stallTimer);
  }
}

/** On live media every end is a fault, also a clean one (engine-api 3.5). */
function endOf(failure: HttpFailure | null): EngineEnd {
  if (failure === null) {
    return { kind: EngineFaultKind.Session, reason: 'eof', message: 'the engine ended the stream' };
  }
  const message = printable(failure.message);
  // A broken chunk or a second status line in the middle of the body ends this session only.
  return failure.code.startsWith('HPE_')
    ? { kind: EngineFaultKind.Session, reason: 'bad-framing', message }
    : { ...classifyNetworkFailure(failure.code), message };
}
