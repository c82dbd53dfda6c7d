/** bytes; a chunk of 100 ms that lies across two segments is copied, so one holds several of them. */
export const SEGMENT_BYTES = 524_288;
/** bytes; with less room left than this the kernel would be asked too often. */
const MIN_ROOM = 16_384;

/**
 * The memory that one connection is read into, each read right behind the one before. Neighbours in
 * the stream are neighbours in memory, so that a chunk of many reads is a slice and not a copy, and
 * one allocation serves many reads: fresh memory for each read kept the garbage collector busy for a
 * third of a worker's time at 40 streams of 5 Mbit/s.
 */
export class ReadSegments {
  #segment = Buffer.alloc(0);
  #used = 0;

  /** Where the next read goes. */
  room(): Buffer {
    if (this.#segment.length - this.#used < MIN_ROOM) {
      this.#segment = Buffer.allocUnsafeSlow(SEGMENT_BYTES);
      this.#used = 0;
    }
    return this.#segment.subarray(this.#used);
  }

  /** The `count` bytes that were read into the room; nothing is written over them. */
  take(count: number): Buffer {
    const taken = this.#segment.subarray(this.#used, this.#used + count);
    this.#used += count;
    return taken;
  }
}

/** Both as one slice when `next` lies right behind `before` in the same memory; else `null`. */
export function adjoin(before: Buffer, next: Buffer): Buffer | null {
  return before.buffer === next.buffer && before.byteOffset + before.length === next.byteOffset
    ? Buffer.from(before.buffer, before.byteOffset, before.length + next.length)
    : null;
}
