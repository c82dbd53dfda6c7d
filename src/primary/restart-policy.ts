/** A worker that lived this long was sound: its death begins a new count. */
const SOUND_MS = 30_000;
/** From the second death in a row; doubled by each further one. */
const FIRST_DELAY_MS = 250;
/** The engine and Redis recover within seconds; more would only keep players waiting. */
const MAX_DELAY_MS = 10_000;
/** Deaths in a row, per slot, after which a primary that never served gives up. */
const HOPELESS_DEATHS = 5;

/** How often the worker of a slot died in a row, each time before it was sound. */
export interface RestartHistory {
  readonly deaths: number;
}

export const NO_DEATHS: RestartHistory = { deaths: 0 };

export interface Restart {
  readonly history: RestartHistory;
  readonly delayMs: number;
}

/** What follows the death of a worker that had lived `livedMs`; the first restart is at once. */
export function restartAfter(history: RestartHistory, livedMs: number): Restart {
  const deaths = livedMs > SOUND_MS ? 1 : history.deaths + 1;
  const delayMs = deaths === 1 ? 0 : Math.min(FIRST_DELAY_MS * 2 ** (deaths - 2), MAX_DELAY_MS);
  return { history: { deaths }, delayMs };
}

/**
 * True when the primary should end and leave the matter to its own supervisor: no worker has ever
 * served, and every slot has used up its budget. Once one has served it never gives up.
 */
export function isHopeless(everServed: boolean, slots: readonly RestartHistory[]): boolean {
  return !everServed && slots.every(({ deaths }) => deaths >= HOPELESS_DEATHS);
}
