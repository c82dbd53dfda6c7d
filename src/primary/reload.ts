import type { Settings } from '../shared/config/settings.js';
import type { Logger } from '../shared/log/logger.js';
import type { WorkerInputs } from './supervisor.js';

/** What a reload needs of the supervisor. */
export interface Replaceable {
  readonly slotCount: number;
  readonly stopping: boolean;
  beginGeneration(): void;
  replace(index: number, inputs: WorkerInputs, drainMs: number): Promise<boolean>;
  addSlot(inputs: WorkerInputs): void;
  removeSlot(drainMs: number): void;
}

export interface ReloadDeps {
  readonly workers: Replaceable;
  /** Reads the configuration anew; throws when it is bad. */
  readonly readInputs: () => WorkerInputs;
  readonly log: Logger;
}

/** Settings that the primary itself lives by: they change with a restart only. */
const FIXED = [
  'host',
  'port',
  'redis',
  'log',
  'gather',
] as const satisfies readonly (keyof Settings)[];

/** Names of the fixed settings that differ. */
export function ignoredChanges(running: Settings, wanted: Settings): string[] {
  return FIXED.filter((name) => JSON.stringify(running[name]) !== JSON.stringify(wanted[name]));
}

/** The new settings with the old values of what cannot change while the primary runs. */
export function mergeSettings(running: Settings, wanted: Settings): Settings {
  const { host, port, redis, log, gather } = running;
  return Object.freeze({ ...wanted, host, port, redis, log, gather });
}

/**
 * SIGHUP (spec 3.8): replaces the workers one by one. A successor that does not come to serve
 * stops the reload; the workers that were not replaced yet stay. A further signal during a reload
 * leads to one more reload after it.
 */
export class Reloader {
  readonly #deps: ReloadDeps;
  #running: Promise<void> | null = null;
  #again = false;

  constructor(deps: ReloadDeps) {
    this.#deps = deps;
  }

  /** Resolves when this reload, and one that was asked for meanwhile, is over. Never rejects. */
  reload(): Promise<void> {
    if (this.#running !== null) {
      this.#again = true;
      return this.#running;
    }
    this.#running = this.#loop().finally(() => (this.#running = null));
    return this.#running;
  }

  async #loop(): Promise<void> {
    do {
      this.#again = false;
      await this.#once();
    } while (this.#againWanted());
  }

  #againWanted(): boolean {
    return this.#again && !this.#deps.workers.stopping;
  }

  async #once(): Promise<void> {
    const { workers, log } = this.#deps;
    let inputs: WorkerInputs;
    try {
      inputs = this.#deps.readInputs();
    } catch (error) {
      log.error('the configuration is bad: nothing is reloaded', { error });
      return;
    }
    const { workers: wanted, shutdownTimeoutMs } = inputs.settings;
    const replaced = Math.min(workers.slotCount, wanted);
    log.info('reloading', { workers: wanted });
    workers.beginGeneration();
    for (let index = 0; index < replaced; index += 1) {
      if (await workers.replace(index, inputs, shutdownTimeoutMs)) continue;
      if (!workers.stopping) log.error('a new worker did not start: the others stay', { index });
      return;
    }
    while (workers.slotCount < wanted) workers.addSlot(inputs);
    while (workers.slotCount > wanted) workers.removeSlot(shutdownTimeoutMs);
    log.info('reloaded', { workers: wanted });
  }
}
