import type { Clock } from '../../shared/clock.js';
import type { EngineSession, EngineStat } from '../contracts.js';
import { readStat } from '../engine/stat.js';

/** ms; engine-api 13.4: every 2 to 5 s once the stream plays. Each is a connection of its own, 1 ms of work. */
const INTERVAL_MS = 5_000;
const TIMEOUT_MS = 2_500;

export interface StatPollerOptions {
  readonly session: () => EngineSession | null;
  readonly onStat: (stat: EngineStat) => void;
  readonly clock: Clock;
}

/** Reads the engine's own numbers of the running session; never in the way of the media. */
export class StatPoller {
  readonly #options: StatPollerOptions;
  readonly #end = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #busy = false;

  constructor(options: StatPollerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = this.#options.clock.setInterval(() => void this.#poll(), INTERVAL_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#end.abort();
  }

  async #poll(): Promise<void> {
    const session = this.#options.session();
    if (this.#busy || session === null) return;
    this.#busy = true;
    try {
      const stat = await readStat(session, TIMEOUT_MS, this.#end.signal);
      if (stat !== 'unknown-session') this.#options.onStat(stat);
    } catch {
      // No news: media decides whether the session lives (engine-api 4).
    } finally {
      this.#busy = false;
    }
  }
}
