import type { Logger } from '../../shared/log/logger.js';
import type { SharedClock } from '../../shared/shared-clock.js';

export interface ClockKeeperOptions {
  readonly clock: SharedClock;
  /** Redis' clock, ms epoch. */
  readonly ask: () => Promise<number>;
  readonly logger: Logger;
}

/** ms; quartz drifts by 0.1 ms in this time, but a host's clock may be set by hand. */
const INTERVAL_MS = 5_000;
/** ms; what operators should know of: their logs of two hosts do not fit together. */
const WORTH_A_WARNING_MS = 1_000;

/** Keeps the time that all hosts share. */
export class ClockKeeper {
  readonly #options: ClockKeeperOptions;
  #timer: NodeJS.Timeout | undefined;
  #comparing: Promise<void> = Promise.resolve();

  constructor(options: ClockKeeperOptions) {
    this.#options = options;
  }

  /** Resolves when Redis was asked once, or did not answer. */
  async start(): Promise<void> {
    this.#timer = this.#options.clock.setInterval(() => this.#begin(), INTERVAL_MS);
    this.#begin();
    await this.#comparing;
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#comparing;
  }

  /** The connection's own time-out ends a look that gets no answer. */
  #begin(): void {
    this.#comparing = this.#compare();
  }

  async #compare(): Promise<void> {
    const { clock, ask, logger } = this.#options;
    try {
      const change = await clock.compare(ask);
      if (Math.abs(change) < WORTH_A_WARNING_MS) return;
      logger.warn("this host's clock differs from Redis'; the proxy goes by Redis'", {
        aheadMs: -clock.offset,
      });
    } catch (error) {
      logger.debug("Redis' clock could not be read", { error });
    }
  }
}
