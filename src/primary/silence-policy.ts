/** A worker whose heartbeat is late, as the primary and the system see it. */
export interface Silence {
  /** ms since its last heartbeat. */
  readonly ageMs: number;
  /** Stopped by a signal or a debugger. */
  readonly stopped: boolean;
  /** ms of processor time that its event loop's thread has had since then; `null`: not known. */
  readonly cpuMs: number | null;
  /** ms since then in which that thread wanted to run and others had the processors; `null`: not known. */
  readonly waitedMs: number | null;
  /** The look before this one said `suspect`. */
  readonly suspected: boolean;
  /** It serves, and has done so for this long; `null`: it gives its clients away, all in one turn. */
  readonly servedMs: number | null;
}

export type SilenceVerdict =
  | { readonly action: 'wait' | 'suspect' }
  /** `why` is a predicate for the log. */
  | { readonly action: 'kill'; readonly why: string };

/** Heartbeats come each 250 ms; eight missed ones that the worker had the time for are no delay any more. */
const HUNG_MS = 2_000;
/**
 * Waits this many times longer than it runs: starved. One that gets more has had 500 ms of processor time after
 * the two seconds, and a turn of its event loop at its limit takes 300.
 */
const STARVED = 3;
/** Players give up after ten seconds: whatever the reason, a sibling has to try. */
const LOST_MS = 10_000;
/** A process that was stopped gives no sign at all: one missed heartbeat is enough (spec 4: a gap of 1 s). */
export const QUIET_MS = 300;
/**
 * ms of processor time since the last heartbeat: one turn of the event loop and what was done before it. What
 * takes long at a stretch is done in slices (`src/worker/playlist/rewrite.ts`), but a worker at its limit
 * takes turns of 0.3 s: 400 ms here killed one that 2,000 players had come to within 4 s, and its players
 * would have brought down the next.
 */
const BLOCKED_CPU_MS = 1_000;

/** ms; a worker that has just begun compiles its code and reads its lists. */
const SETTLED_MS = 3_000;

/**
 * Whether a silent worker is given up. One that had much processor time and sent nothing is blocked; one that
 * did not even want any hangs. One that others keep from running for most of the time is only starved, and that
 * does not count: its players would come to siblings that get no more (one with 2,000 players was given up so, on
 * a machine with ten times the work it can do). Blocked or hanging is said by two looks in a row, with the
 * heartbeats read in between that had come while the primary itself was busy.
 */
export function judgeSilence(silence: Silence): SilenceVerdict {
  const { ageMs, stopped, cpuMs, waitedMs, servedMs } = silence;
  if (ageMs <= QUIET_MS) return { action: 'wait' };
  const starved = cpuMs !== null && waitedMs !== null && waitedMs > STARVED * cpuMs;
  const ownMs = starved ? ageMs - waitedMs : ageMs;
  if (ageMs > LOST_MS || ownMs > HUNG_MS) return giveUp(silence, 'hangs');
  if (stopped) return { action: 'kill', why: 'was stopped' };
  const settled = servedMs !== null && servedMs >= SETTLED_MS;
  if (!settled || cpuMs === null || cpuMs < BLOCKED_CPU_MS) return { action: 'wait' };
  return giveUp(silence, 'is blocked');
}

function giveUp({ suspected }: Silence, why: string): SilenceVerdict {
  return suspected ? { action: 'kill', why } : { action: 'suspect' };
}
