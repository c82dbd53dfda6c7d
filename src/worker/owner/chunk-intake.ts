import type { Clock } from '../../shared/clock.js';
import type { CutChunk, EngineEnd } from '../contracts.js';
import { GARBAGE } from '../engine/engine-fault.js';
import type { LoopVerdict } from '../engine/loop-detector.js';
import { TsChunker, type Continuation } from '../engine/ts-chunker.js';
import type { TsStats } from '../engine/ts-stats.js';
import type { MediaIntake } from './engine-runner.js';

/**
 * Part of `flushMs`: a chunk that is due so soon after a push is cut with it. Most pushes are further apart,
 * so the timer would cut the same bytes, only later.
 */
const EARLY = 0.1;

export interface ChunkIntakeOptions {
  readonly chunkBytes: number;
  readonly flushMs: number;
  /** True when this source goes on where another one ended. */
  readonly splice: boolean;
  /** Where the owner before stopped in the middle of this very source; `null`: at its beginning. */
  readonly continues: Continuation | null;
  readonly clock: Clock;
  readonly onChunk: (chunk: CutChunk) => void;
  /** Whether the source is to be left for what it plays; asked after every push. */
  readonly judge: (intake: ChunkIntake) => EngineEnd | null;
}

/** One source's chunker with the timer that cuts what has waited long enough. */
export class ChunkIntake implements MediaIntake {
  readonly #options: ChunkIntakeOptions;
  readonly #chunker: TsChunker;
  #timer: NodeJS.Timeout | null = null;
  #flowing = false;
  #suspended = false;
  #lastByteAt: number | null = null;

  constructor(options: ChunkIntakeOptions) {
    this.#options = options;
    this.#chunker = new TsChunker({
      chunkBytes: options.chunkBytes,
      flushMs: options.flushMs,
      now: () => options.clock.monotonic(),
      splice: options.splice,
      ...(options.continues && { continues: options.continues }),
    });
  }

  get stats(): TsStats {
    return this.#chunker.stats;
  }

  judge(): EngineEnd | null {
    return this.#chunker.garbage ? GARBAGE : this.#options.judge(this);
  }

  /** Whether this source plays old media; `liveFrozen`: the engine's live position stands still. */
  loop(liveFrozen: boolean): LoopVerdict {
    return this.#chunker.loop(liveFrozen);
  }

  get flowing(): boolean {
    return this.#flowing;
  }

  /** Monotonic ms, `null` before the first byte. */
  get lastByteAt(): number | null {
    return this.#lastByteAt;
  }

  push(bytes: Buffer): void {
    this.#lastByteAt = this.#options.clock.monotonic();
    for (const chunk of this.#chunker.push(bytes)) this.#emit(chunk);
    this.#flush(this.#options.flushMs * EARLY);
    this.#arm();
  }

  /** Hands on what is whole and returns where to go on; `null`: only a new reader can. */
  suspend(): Continuation | null {
    const suspension = this.#chunker.suspend();
    if (suspension === null) return null;
    this.#suspended = true;
    clearTimeout(this.#timer ?? undefined);
    for (const chunk of suspension.chunks) this.#emit(chunk);
    return suspension;
  }

  /** Hands on the whole packets that are left; half a packet is dropped with its source. */
  close(): void {
    clearTimeout(this.#timer ?? undefined);
    this.#timer = null;
    if (this.#suspended) return;
    for (const chunk of this.#chunker.end()) this.#emit(chunk);
  }

  #arm(): void {
    const flushAt = this.#chunker.flushAt;
    if (this.#timer !== null || flushAt === null) return;
    const wait = Math.max(0, flushAt - this.#options.clock.monotonic());
    this.#timer = this.#options.clock.setTimeout(() => {
      this.#timer = null;
      this.#flush(0);
      this.#arm();
    }, wait);
  }

  #flush(earlyMs: number): void {
    const chunk = this.#chunker.flushDue(earlyMs);
    if (chunk !== null) this.#emit(chunk);
  }

  #emit(chunk: CutChunk): void {
    this.#flowing = true;
    this.#options.onChunk(chunk);
  }
}
