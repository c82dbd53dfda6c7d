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
    this.#segments.push(bytes);
    this.#length += bytes.length;
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
    return only !== undefined && fillsItsMemory(only) ? only : Buffer.concat(taken);
  }
}

/**
 * A small slice in the ring would keep the socket's whole read buffer alive: at 100 ms a chunk,
 * sixty seconds of a 100 kbit/s radio would hold 38 MB.
 */
function fillsItsMemory(slice: Buffer): boolean {
  return slice.length * 2 >= slice.buffer.byteLength;
}
