import type { Chunk, ChunkMark, ChunkSource, Tables } from '../../src/worker/contracts.js';
import { markOf } from '../../src/worker/ring/ring-marks.js';
import { H264, TsWriter } from './ts-packets.js';

export const VIDEO_PID = 0x100;
const PROGRAM = {
  program: 1,
  pid: 0x1000,
  pcrPid: VIDEO_PID,
  streams: [{ pid: VIDEO_PID, type: 0x1b }],
};

export const TABLES: Tables = {
  packets: new TsWriter().tables([PROGRAM]).bytes,
  pmtPids: [PROGRAM.pid],
  videoPid: VIDEO_PID,
  audioPids: [],
  pcrPid: VIDEO_PID,
  name: 'tables',
};

export interface RingOptions {
  /** Size of a chunk, in packets. */
  readonly packets: number;
  /** ms between two chunks. */
  readonly stepMs: number;
  /** Every n-th chunk has a keyframe, in its second packet; 0: none has. */
  readonly keyEvery: number;
}

/** Continuous H.264 in chunks, all of it different, the first chunk with number 1. */
export class ChunkMaker {
  readonly #options: RingOptions;
  readonly #writer = new TsWriter();
  #index = 0;
  #term = 1;
  #startedAt = 1_000_000;

  constructor(options: Partial<RingOptions> = {}) {
    this.#options = { packets: 20, stepMs: 100, keyEvery: 10, ...options };
  }

  next(changes: Partial<Chunk> = {}): Chunk {
    const { packets, stepMs, keyEvery } = this.#options;
    const index = ++this.#index;
    const key = keyEvery > 0 && index % keyEvery === 1 % keyEvery;
    this.#writer.packets.length = 0;
    this.#writer.pes(VIDEO_PID, H264.delta(), 100);
    if (key) this.#writer.pes(VIDEO_PID, H264.key(), 100, { randomAccess: true });
    this.#writer.pes(VIDEO_PID, H264.delta(), (packets - this.#writer.packets.length) * 184 - 14);
    return {
      index,
      term: this.#term,
      at: this.#startedAt + index * stepMs,
      bytes: this.#writer.bytes,
      joins: key ? [188] : [],
      tables: TABLES,
      splice: false,
      ...changes,
    };
  }

  many(count: number): Chunk[] {
    return Array.from({ length: count }, () => this.next());
  }

  /** From now on another life: numbers begin again, times do not. */
  newLife(): void {
    this.#startedAt += this.#index * this.#options.stepMs;
    this.#index = 0;
  }
}

/** A ring whose memory, bytes in Redis and answers a test decides. */
export class SyntheticRing implements ChunkSource {
  life = 0;
  /** Chunks that only `load` gives. */
  readonly stored = new Set<number>();
  loads: number[] = [];
  readonly #chunks = new Map<number, Chunk>();
  #held: (() => void)[] | null = null;

  constructor(chunks: readonly Chunk[] = []) {
    for (const chunk of chunks) this.add(chunk);
  }

  get head(): number {
    return Math.max(0, ...this.#chunks.keys());
  }

  add(chunk: Chunk): void {
    this.#chunks.set(chunk.index, chunk);
  }

  drop(...indices: number[]): void {
    for (const index of indices) this.#chunks.delete(index);
  }

  /** All that was known is gone. */
  reset(): void {
    this.#chunks.clear();
    this.life++;
  }

  /** Loads wait until `release`. */
  hold(): void {
    this.#held = [];
  }

  release(): void {
    for (const go of this.#held ?? []) go();
    this.#held = null;
  }

  marks(): readonly ChunkMark[] {
    return [...this.#chunks.values()].map(markOf);
  }

  peek(index: number): Chunk | null {
    return this.stored.has(index) ? null : (this.#chunks.get(index) ?? null);
  }

  async load(index: number): Promise<Chunk | null> {
    this.loads.push(index);
    const { life } = this;
    const held = this.#held;
    if (held !== null) await new Promise<void>((resolve) => held.push(resolve));
    return life === this.life ? (this.#chunks.get(index) ?? null) : null;
  }

  tables(name: string): Tables | null {
    return name === TABLES.name ? TABLES : null;
  }
}
