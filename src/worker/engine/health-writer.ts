import type { Clock } from '../../shared/clock.js';
import type { Logger } from '../../shared/log/logger.js';
import type { EngineHealth, EngineStore } from '../../shared/redis/engine-records.js';
import { freshHealth, type HealthChange } from './engine-health.js';

/** Many workers may report at once; each lost race is another one's report that counted. */
const MAX_TRIES = 20;

/** Applies changes to an engine's health in Redis so that none is lost, and logs what they turn. */
export class HealthWriter {
  readonly #store: EngineStore;
  readonly #clock: Clock;
  readonly #log: Logger;

  constructor(deps: { store: EngineStore; clock: Clock; log: Logger }) {
    this.#store = deps.store;
    this.#clock = deps.clock;
    this.#log = deps.log;
  }

  /** Never rejects: health is advice, and Redis may be away. */
  async apply(engine: string, change: HealthChange): Promise<void> {
    try {
      await this.#apply(engine, change);
    } catch (error) {
      this.#log.debug('could not write the health of an engine', { engine, error });
    }
  }

  async #apply(engine: string, change: HealthChange): Promise<void> {
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const entry = await this.#store.readHealth(engine);
      const now = this.#clock.now();
      const before = entry.health ?? freshHealth(now);
      const after = change(before, now);
      if (after === before) return;
      const result = await this.#store.swapHealth(engine, entry, after);
      if (result === 'written') this.#logTurn(engine, before, after);
      if (result !== 'stale') return;
    }
  }

  #logTurn(engine: string, before: EngineHealth, after: EngineHealth): void {
    if (before.healthy && !after.healthy) {
      this.#log.warn('an engine is unfit', {
        engine,
        failures: after.failures,
        reason: after.lastError,
      });
    } else if (!before.healthy && after.healthy) {
      this.#log.info('an engine answers again', { engine });
    }
  }
}
