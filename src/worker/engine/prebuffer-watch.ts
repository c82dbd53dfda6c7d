import { systemClock, type Clock } from '../../shared/clock.js';
import { EngineFaultKind, type EngineSession, type EngineStat } from '../contracts.js';
import { UNKNOWN_SESSION } from './answer.js';
import { EngineFault } from './engine-fault.js';
import {
  headerDeadline,
  seemsDead,
  type HeaderDeadlineSettings,
  type StatSample,
} from './header-deadline.js';
import { readStat } from './stat.js';

/** ms; no peer polls faster and the simulator's rule is at most one per second (engine-api 11.8). */
const STAT_INTERVAL_MS = 1_000;

export interface PrebufferWatchOptions extends HeaderDeadlineSettings {
  /** The caller's reason to end the wait. */
  readonly signal: AbortSignal;
  readonly onStat?: (stat: EngineStat) => void;
}

/** Looks at stat while the engine withholds its answer, and says by `signal` when to give up. */
export class PrebufferWatch {
  readonly signal: AbortSignal;
  readonly #session: EngineSession;
  readonly #options: PrebufferWatchOptions;
  readonly #clock: Clock;
  readonly #end = new AbortController();
  readonly #openedAt: number;
  readonly #samples: StatSample[] = [];
  readonly #onAbort: () => void;
  #timer: NodeJS.Timeout | undefined;
  #polling: Promise<void> = Promise.resolve();

  constructor(session: EngineSession, options: PrebufferWatchOptions, clock: Clock = systemClock) {
    this.#session = session;
    this.#options = options;
    this.#clock = clock;
    this.signal = this.#end.signal;
    this.#openedAt = clock.monotonic();
    this.#onAbort = () => this.#finish(options.signal.reason as Error);
    if (options.signal.aborted) this.#onAbort();
    else options.signal.addEventListener('abort', this.#onAbort, { once: true });
    this.#schedule();
  }

  /** Ends the watch; `signal` does not abort any more for a listener that is already gone. */
  async close(): Promise<void> {
    this.#finish(new Error('the wait for the playback answer is over'));
    await this.#polling;
  }

  #schedule(): void {
    if (this.signal.aborted) return;
    const now = this.#clock.monotonic();
    const left = this.#deadline() - now;
    if (left <= 0) {
      this.#finish(this.#timeoutFault(now));
      return;
    }
    const next = Math.min(left, STAT_INTERVAL_MS);
    this.#timer = this.#clock.setTimeout(() => {
      this.#polling = this.#poll(next >= STAT_INTERVAL_MS).then(() => this.#schedule());
    }, next);
  }

  async #poll(due: boolean): Promise<void> {
    if (!due || this.#session.statPath === null) return;
    const left = Math.max(this.#deadline() - this.#clock.monotonic(), 1);
    try {
      const stat = await readStat(this.#session, Math.min(left, 3 * STAT_INTERVAL_MS), this.signal);
      if (stat === UNKNOWN_SESSION) return;
      this.#samples.push({ at: this.#clock.monotonic(), stat });
      this.#options.onStat?.(stat);
    } catch {
      // Stat may hang or fail while the engine is busy: no news, the deadline stands.
    }
  }

  #deadline(): number {
    return headerDeadline({ openedAt: this.#openedAt, samples: this.#samples }, this.#options);
  }

  #timeoutFault(now: number): EngineFault {
    const waited = Math.round(now - this.#openedAt);
    return new EngineFault({
      kind: EngineFaultKind.Timeout,
      reason: seemsDead(this.#samples) ? 'no-peers' : 'header-timeout',
      message: `the engine sent no headers for ${String(waited)} ms`,
      engineId: this.#session.engine.id,
    });
  }

  #finish(reason: Error): void {
    clearTimeout(this.#timer);
    this.#options.signal.removeEventListener('abort', this.#onAbort);
    if (!this.signal.aborted) this.#end.abort(reason);
  }
}
