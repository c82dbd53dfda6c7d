import type { WireMark } from '../../shared/redis/ring-store.js';
import type { Chunk, ChunkMark } from '../contracts.js';

/** Bounds of the ring: whichever is reached first makes the oldest chunks go. */
export interface RingBounds {
  readonly maxBytes: number;
  readonly ttlMs: number;
}

export function markOf(chunk: Chunk): ChunkMark {
  return {
    index: chunk.index,
    term: chunk.term,
    at: chunk.at,
    size: chunk.bytes.length,
    joins: chunk.joins,
    tables: chunk.tables?.name ?? null,
    splice: chunk.splice,
  };
}

export function toWire(mark: ChunkMark): WireMark {
  const { index: i, term: t, at, size: s, joins: j, tables: tb, splice } = mark;
  return { i, t, at, s, j, tb, sp: splice ? 1 : 0 };
}

export function fromWire(wire: WireMark): ChunkMark {
  return {
    index: wire.i,
    term: wire.t,
    at: wire.at,
    size: wire.s,
    joins: wire.j,
    tables: wire.tb,
    splice: wire.sp === 1,
  };
}

/** The marks of the chunks that can still be had: ascending, with holes where chunks are missing. */
export class RingMarks {
  readonly #bounds: RingBounds;
  #marks: ChunkMark[] = [];
  #bytes = 0;

  constructor(bounds: RingBounds) {
    this.#bounds = bounds;
  }

  get all(): readonly ChunkMark[] {
    return this.#marks;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get head(): number {
    return this.#marks.at(-1)?.index ?? 0;
  }

  /** Adds a mark that is newer than all others; an older one is ignored. */
  push(mark: ChunkMark): void {
    if (mark.index <= this.head) return;
    this.#marks.push(mark);
    this.#bytes += mark.size;
  }

  /** Takes over a whole window, such as Redis knows it. */
  replace(marks: readonly ChunkMark[]): void {
    this.#marks = [...marks];
    this.#bytes = marks.reduce((sum, mark) => sum + mark.size, 0);
  }

  /** Removes what the bounds no longer allow, oldest first; the newest chunk always stays. */
  trim(now: number): readonly ChunkMark[] {
    let count = 0;
    let bytes = this.#bytes;
    for (const mark of this.#marks.slice(0, -1)) {
      if (bytes <= this.#bounds.maxBytes && now - mark.at < this.#bounds.ttlMs) break;
      bytes -= mark.size;
      count++;
    }
    this.#bytes = bytes;
    return this.#marks.splice(0, count);
  }

  /** Removes the oldest marks up to `bytes` in all: what an owner gives up when Redis is full. */
  shed(bytes: number): readonly ChunkMark[] {
    let freed = 0;
    let count = 0;
    while (freed < bytes && count < this.#marks.length - 1) {
      freed += this.#marks[count]?.size ?? 0;
      count++;
    }
    this.#bytes -= freed;
    return this.#marks.splice(0, count);
  }

  find(index: number): ChunkMark | null {
    let low = 0;
    let high = this.#marks.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const mark = this.#marks[middle];
      if (mark === undefined) break;
      if (mark.index === index) return mark;
      if (mark.index < index) low = middle + 1;
      else high = middle - 1;
    }
    return null;
  }
}
