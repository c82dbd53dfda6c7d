/**
 * An endless channel made of one cycle that repeats with running clocks and counters. Every packet has a position
 * that counts from a fixed date, so that all engines that play one content agree on it, as all engines do that take
 * part in one broadcast: a re-open or a change of engine shows a gap, never a restart.
 */
export interface MediaSource {
  /** The first position that is not yet due at `atMs` (wall clock, ms). */
  positionAt(atMs: number): number;
  /** `count` packets from `position` on. */
  render(position: number, count: number, sender: Sender): Buffer;
  readonly bytesPerSecond: number;
}

/** What a stamped packet says about its sender. */
export interface Sender {
  /** Ordinal of the engine session. */
  session: number;
  wallMs: number;
}

export const CHANNEL_EPOCH_MS = Date.UTC(2026, 0, 1);

/** Turns a time inside one cycle into a position of the endless channel. */
export function positionOf(
  atMs: number,
  cycle: { packets: number; durationMs: number },
  indexAt: (ms: number) => number,
): number {
  const sinceEpoch = atMs - CHANNEL_EPOCH_MS;
  const round = Math.floor(sinceEpoch / cycle.durationMs);
  return round * cycle.packets + indexAt(sinceEpoch - round * cycle.durationMs);
}
