import type { EngineStat } from '../contracts.js';

/** One look at the stat URL while the engine withholds the playback answer. Times are monotonic ms. */
export interface StatSample {
  readonly at: number;
  readonly stat: EngineStat;
}

export interface HeaderWait {
  readonly openedAt: number;
  /** Oldest first. */
  readonly samples: readonly StatSample[];
}

export interface HeaderDeadlineSettings {
  /** ms without headers and without visible progress. */
  readonly headerTimeoutMs: number;
  /** ms without headers, whatever the progress (engine-api 3.1: 120 s). */
  readonly maxHeaderMs: number;
  /** ms without a single peer (engine-api 10.5: 20 to 30 s). */
  readonly noPeersMs: number;
}

/**
 * When (monotonic ms) to give up waiting for the headers of the playback answer. The engine sends
 * nothing until its prebuffer is full (engine-api 3.1), so the wait goes on from the last progress
 * that stat showed, and ends early where there is nobody to get data from (10.5, 13.5).
 */
export function headerDeadline(wait: HeaderWait, settings: HeaderDeadlineSettings): number {
  const { openedAt, samples } = wait;
  const byProgress = lastProgress(wait) + settings.headerTimeoutMs;
  const latest = Math.min(byProgress, openedAt + settings.maxHeaderMs);
  return seemsDead(samples) ? Math.min(latest, openedAt + settings.noPeersMs) : latest;
}

/** Peers were counted and there never was one. */
export function seemsDead(samples: readonly StatSample[]): boolean {
  const counted = samples.filter(({ stat }) => stat.peers !== null);
  return counted.length > 0 && counted.every(({ stat }) => stat.peers === 0);
}

/** Progress is a new maximum: peers that come and go would otherwise prolong the wait for ever. */
function lastProgress({ openedAt, samples }: HeaderWait): number {
  let at = openedAt;
  let best = { peers: 0, downloaded: 0, progress: 0 };
  for (const { at: sampledAt, stat } of samples) {
    const next = {
      peers: Math.max(best.peers, stat.peers ?? 0),
      downloaded: Math.max(best.downloaded, stat.downloaded ?? 0),
      progress: Math.max(best.progress, stat.progress ?? 0),
    };
    const grew =
      next.peers > best.peers || next.downloaded > best.downloaded || next.progress > best.progress;
    if (grew) at = Math.max(at, sampledAt);
    best = next;
  }
  return at;
}
