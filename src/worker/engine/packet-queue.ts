import { adjoin, SEGMENT_BYTES } from './read-segments.js';

/** Bytes that wait to be cut: slices of what came in, copied once at most. */
export class PacketQueue {
  #segments: Buffer[] = [];
  #length = 0;

  /** Bytes. */
  get length(): number {
    return this.#length;
  }

  push(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#length += bytes.length;
    const last = this.#segments.at(-1);
    const joined = last === undefined ? null : adjoin(last, bytes);
    if (joined === null) this.#segments.push(bytes);
    else this.#segments[this.#segments.length - 1] = joined;
  }

  clear(): void {
    this.#segments = [];
    this.#length = 0;
  }

  /** Removes the first `size` bytes and returns them as one buffer. */
  take(size: number): Buffer {
    const taken: Buffer[] = [];
    let missing = size;
    let segment = this.#segments[0];
    while (segment !== undefined && missing > 0) {
      taken.push(segment.subarray(0, missing));
      if (segment.length > missing) this.#segments[0] = segment.subarray(missing);
      else this.#segments.shift();
      missing -= Math.min(missing, segment.length);
      segment = this.#segments[0];
    }
    this.#length -= size - missing;
    const only = taken.length === 1 ? taken[0] : undefined;
    return only !== undefined && mayBeKept(only) ? only : Buffer.concat(taken);
  }
}

/**
 * A small slice in the ring would keep the whole memory that it lies in alive. A segment is full of
 * such slices, one behind the other; any other memory is worth it when half of it is in the slice.
 */
function mayBeKept(slice: Buffer): boolean {
  const { byteLength } = slice.buffer;
  return byteLength === SEGMENT_BYTES || slice.length * 2 >= byteLength;
}
