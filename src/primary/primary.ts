import type { AddressInfo } from 'node:net';

import type { Clock } from '../shared/clock.js';
import type { Settings } from '../shared/config/settings.js';
import { withDeadline } from '../shared/deadline.js';
import type { WorkerId } from '../shared/ids.js';
import type { WorkerStatus } from '../shared/ipc/messages.js';
import type { Logger } from '../shared/log/logger.js';
import { RedisRefused } from '../shared/redis/examine.js';
import { Dealer } from './dealer.js';
import { planDrain, runDrain } from './drain.js';
import type { DrainStep } from './drain.js';
import { ExitCode } from './exit-codes.js';
import { Gatherer } from './gatherer.js';
import { Listener } from './listener.js';
import { MetricsCollector } from './metrics-collector.js';
import type { RedisHost } from './redis-host.js';
import type { OwnedStream, WorkerReaper } from './reaper.js';
import { mergeSettings, ignoredChanges, Reloader } from './reload.js';
import { Supervisor } from './supervisor.js';
import type { WorkerInputs } from './supervisor.js';
import { StreamRouter } from './stream-router.js';
import { WorkerState } from './worker-handle.js';

/** A reaper and the connection it holds. */
export interface ReaperHost {
  readonly reaper: WorkerReaper;
  close(): Promise<void>;
}

/** The Bearer key that the workers check. */
export interface KeyChoice {
  readonly key: string;
  readonly configured: boolean;
}

export interface PrimaryDeps {
  readonly settings: Settings;
  /** The worker's program. */
  readonly program: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly provideRedis: (settings: Settings) => Promise<RedisHost>;
  /** Asked at the start and by each reload. */
  readonly provideKey: (settings: Settings) => KeyChoice;
  /** With the settings of the Redis that is used. */
  readonly openReaper: (settings: Settings) => ReaperHost;
  /** Reads the configuration anew; throws when it is bad. */
  readonly readSettings: () => Settings;
  /** The proxy listens and a worker serves. */
  readonly onReady: (address: AddressInfo) => void;
  /** Everything is over; called once. */
  readonly onEnd: (code: ExitCode) => void;
}

/** For the steps of the stop that only have to say goodbye. */
const CLOSE_MS = 500;

/** The primary process: brings its parts up in their order, and down in the reverse one. */
export class Primary {
  readonly #deps: PrimaryDeps;
  readonly #listener: Listener;
  readonly #dealer: Dealer;
  readonly #metrics: MetricsCollector;
  readonly #gatherer: Gatherer;
  readonly #streams: StreamRouter;
  #settings: Settings;
  #redis: RedisHost | null = null;
  /** Settled when Redis is up or could not be had: only then can it be ended. */
  #redisStart: Promise<void> = Promise.resolve();
  #reaper: ReaperHost | null = null;
  #supervisor: Supervisor | null = null;
  #reloader: Reloader | null = null;
  #ending = false;
  #ended = false;

  constructor(deps: PrimaryDeps) {
    this.#deps = deps;
    this.#settings = deps.settings;
    const { clock, log } = deps;
    const serving = () => this.#supervisor?.serving ?? [];
    this.#dealer = new Dealer({ serving, clock, log });
    this.#listener = new Listener((socket) => this.#dealer.accept(socket));
    const onOrphan = (worker: WorkerId, stream: OwnedStream): void =>
      this.#supervisor?.reap(worker, [stream]);
    this.#streams = new StreamRouter({ serving, onOrphan, log });
    this.#gatherer = new Gatherer({
      ...{ serving, clock, log },
      shares: () => this.#dealer.shares(),
      connections: (pid) => this.#dealer.count(pid),
      limit: () => this.#settings.gather,
    });
    this.#metrics = new MetricsCollector({ serving, statuses: () => this.#statuses(), clock });
  }

  /** Redis, the key, the workers; the first of them that serves opens the port. Never rejects. */
  async start(): Promise<void> {
    try {
      const redis = this.#deps.provideRedis(this.#settings);
      this.#redisStart = redis.then(
        () => undefined,
        () => undefined,
      );
      this.#redis = await redis;
      this.#settings = Object.freeze({ ...this.#settings, redis: this.#redis.redis });
      if (this.#ending) return;
      this.#reaper = this.#deps.openReaper(this.#settings);
      const inputs = this.#inputs(this.#settings);
      this.#supervisor = this.#makeSupervisor(this.#reaper.reaper);
      this.#reloader = this.#makeReloader(this.#supervisor);
      this.#supervisor.start(inputs);
    } catch (error) {
      this.#deps.log.error('the proxy cannot start', { error });
      await this.#end(error instanceof RedisRefused ? ExitCode.Config : ExitCode.Unavailable);
    }
  }

  reload(): void {
    if (this.#ending) return;
    void this.#reloader?.reload();
  }

  /** Graceful stop within `PROXY_SHUTDOWN_TIMEOUT` (spec 3.8). Never rejects. */
  async stop(why: string): Promise<void> {
    if (this.#ending) return;
    const { shutdownTimeoutMs: withinMs } = this.#settings;
    this.#deps.log.info('shutting down', { why, connections: this.#dealer.open, withinMs });
    await this.#end(ExitCode.Ok);
  }

  /** No time left, or an error that nobody caught: leaves no process behind. */
  kill(code: ExitCode): void {
    this.#ending = true;
    this.#supervisor?.killAll();
    this.#redis?.kill();
    this.#finish(code);
  }

  #makeSupervisor(reaper: WorkerReaper): Supervisor {
    const { program, clock, log } = this.#deps;
    return new Supervisor({
      program,
      reaper,
      clock,
      log,
      events: {
        onServing: (first) => {
          if (first) void this.#open();
          this.#dealer.flush();
        },
        onConnection: (worker, message) => this.#dealer.receive(worker.pid, message),
        onMetrics: (worker, message) => this.#metrics.receive(worker, message),
        onStream: (worker, message, socket) => this.#streams.receive(worker, message, socket),
        onDead: (worker) => {
          this.#metrics.forget(worker.pid);
          this.#streams.forget(worker.pid);
          this.#dealer.rescue(worker.pid);
        },
        onHopeless: () => {
          log.error('no worker comes up: giving up');
          void this.#end(ExitCode.Workers);
        },
      },
    });
  }

  #makeReloader(workers: Supervisor): Reloader {
    const { log } = this.#deps;
    return new Reloader({
      workers,
      log,
      readInputs: () => {
        const wanted = this.#deps.readSettings();
        const ignored = ignoredChanges(this.#deps.settings, wanted);
        if (ignored.length > 0) log.warn('these settings change with a restart only', { ignored });
        this.#settings = mergeSettings(this.#settings, wanted);
        return this.#inputs(this.#settings);
      },
    });
  }

  #inputs(settings: Settings): WorkerInputs {
    const { key, configured } = this.#deps.provideKey(settings);
    return { settings, apiKey: key, apiKeyConfigured: configured };
  }

  async #open(): Promise<void> {
    const { host, port } = this.#settings;
    try {
      const address = await this.#listener.listen(host, port);
      this.#listener.onError((error) => this.#deps.log.error('accepting failed', { error }));
      // Told by the system, the port that 0 became included.
      this.#deps.onReady(address);
    } catch (error) {
      if (this.#ending) return;
      this.#deps.log.error(`cannot listen on ${host}:${port}`, { host, port, error });
      await this.#end(ExitCode.Listen);
    }
  }

  /** What is up goes down in order: no new clients, workers, sockets, Redis. */
  async #end(code: ExitCode): Promise<void> {
    if (this.#ending) return;
    this.#ending = true;
    const { shutdownTimeoutMs } = this.#settings;
    const { log } = this.#deps;
    try {
      const drained = runDrain(this.#steps(), log);
      await withDeadline(drained, shutdownTimeoutMs, 'the shutdown');
    } catch (error) {
      log.error('the shutdown takes too long', { error });
    }
    // Nothing is left of them after a clean stop.
    this.#supervisor?.killAll();
    this.#redis?.kill();
    this.#finish(code);
  }

  #steps(): DrainStep[] {
    const { workersMs, restMs } = planDrain(this.#settings.shutdownTimeoutMs);
    return [
      { name: 'closing the port', deadlineMs: CLOSE_MS, run: () => this.#listener.close() },
      {
        name: 'refusing new connections',
        deadlineMs: CLOSE_MS,
        run: () => this.#dealer.stop('SHUTTING_DOWN'),
      },
      {
        name: 'ending the workers',
        deadlineMs: workersMs + CLOSE_MS,
        run: () => this.#supervisor?.stop(workersMs),
      },
      { name: 'ending the sockets', deadlineMs: CLOSE_MS, run: () => this.#dealer.close() },
      { name: 'leaving Redis', deadlineMs: CLOSE_MS, run: () => this.#reaper?.close() },
      { name: 'ending Redis', deadlineMs: restMs, run: () => this.#endRedis() },
    ];
  }

  async #endRedis(): Promise<void> {
    await this.#redisStart;
    await this.#redis?.stop();
  }

  #finish(code: ExitCode): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#metrics.close();
    this.#gatherer.close();
    this.#listener.close();
    this.#deps.onEnd(code);
  }

  #statuses(): WorkerStatus[] {
    return (this.#supervisor?.workers ?? [])
      .filter(({ state }) => state !== WorkerState.Dead)
      .map((worker) => worker.status(this.#dealer.count(worker.pid)));
  }
}
