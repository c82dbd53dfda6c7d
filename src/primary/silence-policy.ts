/** A worker whose heartbeat is late, as the primary and the system see it. */
export interface Silence {
  /** ms since its last heartbeat. */
  readonly ageMs: number;
  /** Stopped by a signal or a debugger. */
  readonly stopped: boolean;
  /** ms of processor time that its event loop's thread has had since then; `null`: not known. */
  readonly cpuMs: number | null;
  /** The look before this one said `suspect`. */
  readonly suspected: boolean;
  /** It serves, and has done so for this long; `null`: it gives its clients away, all in one turn. */
  readonly servedMs: number | null;
}

export type SilenceVerdict =
  | { readonly action: 'wait' | 'suspect' }
  /** `why` is a predicate for the log. */
  | { readonly action: 'kill'; readonly why: string };

/** Heartbeats come each 250 ms; eight missed ones are no scheduling delay any more. */
const HUNG_MS = 2_000;
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
 * Whether a silent worker is given up. One that got no processor time is only starved, and waits; one that
 * had much of it and sent nothing is blocked. That is said by two looks in a row, with the heartbeats read
 * in between that had come while the primary itself was busy.
 */
export function judgeSilence(silence: Silence): SilenceVerdict {
  const { ageMs, stopped, cpuMs, suspected, servedMs } = silence;
  if (ageMs <= QUIET_MS) return { action: 'wait' };
  if (ageMs > HUNG_MS) return { action: 'kill', why: 'hangs' };
  if (stopped) return { action: 'kill', why: 'was stopped' };
  const settled = servedMs !== null && servedMs >= SETTLED_MS;
  if (!settled || cpuMs === null || cpuMs < BLOCKED_CPU_MS) return { action: 'wait' };
  return suspected ? { action: 'kill', why: 'is blocked' } : { action: 'suspect' };
}
