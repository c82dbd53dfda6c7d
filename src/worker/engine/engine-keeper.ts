import { systemClock, type Clock } from '../../shared/clock.js';
import type { WorkerId } from '../../shared/ids.js';
import type { Logger } from '../../shared/log/logger.js';
import type {
  EngineRecord,
  EngineSnapshot,
  EngineStore,
} from '../../shared/redis/engine-records.js';
import { afterBadProbe, afterGoodProbe } from './engine-health.js';
import { EngineFault } from './engine-fault.js';
import { HealthWriter } from './health-writer.js';
import { fetchOrchestratorEngines, ORCHESTRATOR_SOURCE } from './orchestrator.js';
import { probe } from './probe.js';

/** ms; half of the shortest probe back-off. */
const TICK_MS = 500;
/** ms; ten ticks without the keeper make another worker the keeper. */
const KEEPER_TTL_MS = 5_000;
const ORCHESTRATOR_INTERVAL_MS = 5_000;
/** ms between looks at unhealthy engines that players ask for. */
const URGENT_PROBE_MS = 200;
/** Name of that piece of work. */
const URGENT = 'unhealthy engines';
/** Probes at a time: an orchestrator may manage hundreds of engines. */
const MAX_PROBES = 16;

export interface EngineKeeperDeps {
  readonly store: EngineStore;
  readonly log: Logger;
  readonly worker: WorkerId;
  /** `ACE_ORCHESTRATOR_URL`. */
  readonly orchestratorUrl: string | null;
  readonly clock?: Clock;
}

/**
 * Looks after the engines: probes those that are due and follows the orchestrator. Every worker runs
 * one and only one of them all works at a time, by a lock with a TTL in Redis.
 */
export class EngineKeeper {
  readonly #deps: EngineKeeperDeps;
  readonly #clock: Clock;
  readonly #health: HealthWriter;
  readonly #stopped = new AbortController();
  readonly #work = new Map<string, Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #tick: Promise<void> | null = null;
  #nextPollAt = -Infinity;
  #pollFailed = false;
  #lastUrgentAt = -Infinity;

  constructor(deps: EngineKeeperDeps) {
    this.#deps = deps;
    this.#clock = deps.clock ?? systemClock;
    this.#health = new HealthWriter({ store: deps.store, log: deps.log, clock: this.#clock });
  }

  start(): void {
    if (this.#timer !== undefined || this.#stopped.signal.aborted) return;
    this.#timer = this.#clock.setInterval(() => this.#onTick(), TICK_MS);
    this.#onTick();
  }

  /** Ends all probes and lets another worker be the keeper. Never rejects. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#stopped.abort(new Error('the keeper stops'));
    await this.#tick;
    await Promise.all(this.#work.values());
    try {
      await this.#deps.store.leave(this.#deps.worker);
    } catch (error) {
      this.#deps.log.debug('could not give up being the keeper; it runs out', { error });
    }
  }

  /**
   * Looks at every unhealthy engine now, whoever is the keeper: a player waits for one. The keeper's
   * back-off stays what it is, and a worker asks an engine five times a second at the most. Resolves
   * when they have been looked at.
   */
  async probeUnhealthy(): Promise<void> {
    const now = this.#clock.monotonic();
    const running = this.#work.get(URGENT);
    const recent = now - this.#lastUrgentAt < URGENT_PROBE_MS;
    if (running !== undefined || recent || this.#stopped.signal.aborted) return running;
    this.#lastUrgentAt = now;
    this.#run(URGENT, async () => {
      const snapshots = await this.#deps.store.list().catch(() => []);
      const unfit = snapshots.filter(({ health }) => health?.healthy === false);
      await Promise.all(unfit.slice(0, MAX_PROBES).map(({ record }) => this.#probe(record)));
    });
    await this.#work.get(URGENT);
  }

  #onTick(): void {
    this.#tick ??= this.#look().finally(() => {
      this.#tick = null;
    });
  }

  async #look(): Promise<void> {
    const { store, worker, orchestratorUrl, log } = this.#deps;
    try {
      if (!(await store.keep(worker, KEEPER_TTL_MS))) return;
      const time = this.#clock.monotonic();
      if (orchestratorUrl !== null && time >= this.#nextPollAt) {
        this.#nextPollAt = time + ORCHESTRATOR_INTERVAL_MS;
        this.#run('orchestrator', () => this.#poll(orchestratorUrl));
      }
      const now = this.#clock.now();
      for (const snapshot of await store.list()) {
        if (this.#work.size >= MAX_PROBES || this.#stopped.signal.aborted) return;
        if (isDue(snapshot, now)) {
          this.#run(`engine ${snapshot.record.id}`, () => this.#probe(snapshot.record));
        }
      }
    } catch (error) {
      // Redis is away: its connection has said so already.
      log.debug('the engines were not looked after', { error });
    }
  }

  /** One piece of work per name at a time. */
  #run(name: string, work: () => Promise<void>): void {
    if (this.#work.has(name)) return;
    const running = work().finally(() => this.#work.delete(name));
    this.#work.set(name, running);
  }

  async #probe(engine: EngineRecord): Promise<void> {
    const { signal } = this.#stopped;
    try {
      const { version } = await probe(engine, undefined, signal);
      await this.#health.apply(engine.id, afterGoodProbe(version));
    } catch (thrown) {
      if (signal.aborted) return;
      const { reason, message } =
        thrown instanceof EngineFault ? thrown : { reason: 'error', message: String(thrown) };
      await this.#health.apply(engine.id, afterBadProbe({ reason, message }));
    }
  }

  async #poll(url: string): Promise<void> {
    const { store, log } = this.#deps;
    const { signal } = this.#stopped;
    try {
      const records = await fetchOrchestratorEngines(url, signal);
      await store.sync(ORCHESTRATOR_SOURCE, records);
      if (this.#pollFailed) log.info('the orchestrator answers again');
      this.#pollFailed = false;
    } catch (error) {
      if (signal.aborted) return;
      if (!this.#pollFailed) {
        log.warn('the orchestrator cannot be read; its engines stay as they are', { error });
      }
      this.#pollFailed = true;
    }
  }
}

function isDue({ health }: EngineSnapshot, now: number): boolean {
  return health === null || health.nextProbeAt <= now;
}
