/** What is known of one stream's ring. */
export interface RingFill {
  readonly bytes: number;
  /** ms of media that the ring holds. */
  readonly spanMs: number;
}

export interface RingBounds {
  readonly maxBytes: number;
  readonly ttlMs: number;
}

/**
 * Memory of Redis per byte of a chunk. jemalloc has four sizes per doubling, so a chunk wastes between
 * nothing and a fourth; keys and marks are small against it. docs/scaling.md has the measured slope.
 */
const OVERHEAD = 1.15;
/** Part of `maxmemory` that rings may fill: buffers of connections and everything else need room too. */
export const RING_SHARE = 0.9;
/** ms of media after which a ring tells what it will come to. */
const TELLING_MS = 10_000;
/** A bitrate that is measured may still rise. */
const HEADROOM = 1.25;

/** Bytes of Redis' memory for so many bytes of chunks. */
export function footprint(bytes: number): number {
  return Math.ceil(bytes * OVERHEAD);
}

/** Bytes of chunks to keep free for a stream: its bound, or less when it is known to be slow. */
export function ringNeed(ring: RingFill, bounds: RingBounds): number {
  if (ring.spanMs < TELLING_MS) return bounds.maxBytes;
  const expected = (ring.bytes / ring.spanMs) * bounds.ttlMs * HEADROOM;
  return Math.ceil(Math.min(bounds.maxBytes, Math.max(ring.bytes, expected)));
}

/** Streams with full rings that a Redis of this `maxmemory` holds. */
export function streamsThatFit(maxMemory: number, ringBytes: number): number {
  return Math.floor((maxMemory * RING_SHARE) / footprint(ringBytes));
}

/** The `maxmemory` for so many streams with full rings. */
export function memoryFor(streams: number, ringBytes: number): number {
  return Math.ceil((streams * footprint(ringBytes)) / RING_SHARE);
}
