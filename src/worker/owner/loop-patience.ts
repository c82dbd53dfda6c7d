/** Loops that are left at once: the first for a new session, the second for another engine. */
const FREE_LEAVES = 2;
/** ms until the next try, doubled with each one. */
const FIRST_WAIT_MS = 300_000;
const LONGEST_WAIT_MS = 3_600_000;
/** ms without a loop after which all is forgotten. */
const FORGET_MS = 7_200_000;

/** ms from the `leaves`-th time that a loop was left to the next one. */
export function loopWait(leaves: number): number {
  if (leaves < FREE_LEAVES) return 0;
  return Math.min(FIRST_WAIT_MS * 2 ** (leaves - FREE_LEAVES), LONGEST_WAIT_MS);
}

/**
 * Whether a loop is left. When a new session and another engine play the same loop, then it is the
 * broadcast or the swarm that loops, and each further change would only add a gap: viewers keep what
 * there is, and the stream looks elsewhere again after five minutes, ten, and so on up to an hour.
 */
export class LoopPatience {
  #leaves = 0;
  #leftAt = 0;
  #loopedAt = 0;

  /** ms to the next change; 0 when the loop may be left now. */
  wait(now: number): number {
    return this.#leaves === 0 ? 0 : Math.max(0, this.#leftAt + loopWait(this.#leaves) - now);
  }

  /** Called while a loop plays, in monotonic ms; true: leave it, and it counts as left. */
  leave(now: number): boolean {
    if (now - this.#loopedAt >= FORGET_MS) this.#leaves = 0;
    this.#loopedAt = now;
    if (this.wait(now) > 0) return false;
    this.#leaves += 1;
    this.#leftAt = now;
    return true;
  }
}
