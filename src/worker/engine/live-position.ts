import type { EngineStat } from '../contracts.js';

/** ms without a step of the live position; engines move it every few seconds (engine-api 4). */
const FROZEN_MS = 30_000;

/**
 * Follows `livepos.live_last` of an engine's stat: the time, by the broadcaster's clock, of the newest
 * piece that the engine knows of. It stands still when the engine has lost the swarm and plays what it
 * has (engine-api 10, item 20). Alone it proves nothing: stats are late and lie.
 */
export class LivePosition {
  #newest: number | null = null;
  #movedAt = 0;
  #heardAt = 0;

  /** Another session counts anew. */
  reset(): void {
    this.#newest = null;
  }

  /** `now` in monotonic ms. */
  take({ liveLast }: EngineStat, now: number): void {
    if (liveLast === null) return;
    this.#heardAt = now;
    if (this.#newest !== null && liveLast <= this.#newest) return;
    this.#newest = liveLast;
    this.#movedAt = now;
  }

  /** By the last stat, however old: silence of the stat URL is no news. */
  get frozen(): boolean {
    return this.#newest !== null && this.#heardAt - this.#movedAt >= FROZEN_MS;
  }
}
