import cluster from 'node:cluster';
import type { Worker } from 'node:cluster';
import type { Socket } from 'node:net';

import type { Clock } from '../shared/clock.js';
import type { Settings } from '../shared/config/settings.js';
import { withDeadline } from '../shared/deadline.js';
import type { WorkerId } from '../shared/ids.js';
import type { Logger } from '../shared/log/logger.js';
import type { ConnectionMessage } from './connections.js';
import type { MetricsMessage } from './metrics-collector.js';
import { lookAtThread } from './process-state.js';
import type { OwnedStream, WorkerReaper } from './reaper.js';
import { ADOPTION_MS, dropClients, reapWorker } from './reaper.js';
import type { RestartHistory } from './restart-policy.js';
import { isHopeless, NO_DEATHS, restartAfter } from './restart-policy.js';
import type { StreamMessage } from './stream-router.js';
import { WorkerHandle, WorkerState } from './worker-handle.js';
import type { WorkerExit } from './worker-handle.js';

/** What every worker of a generation is started with. */
export interface WorkerInputs {
  readonly settings: Settings;
  readonly apiKey: string;
  readonly apiKeyConfigured: boolean;
}

export interface SupervisorEvents {
  /** A worker serves: `first` for the first one of all. */
  onServing(first: boolean): void;
  onConnection(handle: WorkerHandle, message: ConnectionMessage): void;
  onMetrics(handle: WorkerHandle, message: MetricsMessage): void;
  onStream(handle: WorkerHandle, message: StreamMessage, socket: Socket | null): void;
  /** Everything the worker had said has been read; it no longer counts as serving. */
  onDead(handle: WorkerHandle): void;
  /** No worker ever came up and the budget is used up. */
  onHopeless(): void;
}

export interface SupervisorDeps {
  /** The worker's program; forked with the primary's own `execArgv` and `WORKER_FLAGS`. */
  readonly program: string;
  readonly reaper: WorkerReaper;
  readonly events: SupervisorEvents;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A place for one worker: `next` takes it over from `current` in a reload. */
interface Slot {
  readonly index: number;
  current: WorkerHandle | null;
  next: WorkerHandle | null;
  inputs: WorkerInputs;
  history: RestartHistory;
  restarts: number;
  timer: NodeJS.Timeout | undefined;
}

/**
 * Media lives outside of V8's heap and counts in it all the same. Young objects are small and few: the default
 * of 16 MB lets each worker grow by 48 MB for nothing, which with 1,500 players was more than half of what a
 * player cost; less than 4 costs processor time, because it is collected ten times a second. The old ones are
 * 20 MB, to which V8 adds some 10 before it collects: with 40 streams that is passed twice a second.
 */
const WORKER_FLAGS = ['--max-semi-space-size=4', '--heap-growing-percent=300'];
/** Of the time for the end of all workers: what those may take that are handing over. */
const HANDOVER_SHARE = 0.4;
const WATCH_MS = 100;
/** ms; a watch that is later than this says that the primary itself stood still. */
const LATE_MS = 500;

/**
 * Forks the workers and replaces those that die. Keeps its own registry by process id: node:cluster
 * forgets a worker that disconnects, though its process lives on (style 5.7).
 */
export class Supervisor {
  readonly #deps: SupervisorDeps;
  readonly #slots: Slot[] = [];
  readonly #registry = new Map<number, WorkerHandle>();
  readonly #reaping = new Set<Promise<void>>();
  readonly #waiters = new Set<() => void>();
  #generation = 0;
  #everServed = false;
  #stopping = false;
  #watch: NodeJS.Timeout | undefined;
  #watchedAt = 0;

  constructor(deps: SupervisorDeps) {
    this.#deps = deps;
  }

  /** Living processes, whatever their state. */
  get workers(): readonly WorkerHandle[] {
    return [...this.#registry.values()];
  }

  get serving(): readonly WorkerHandle[] {
    return this.workers.filter(({ serving }) => serving);
  }

  get stopping(): boolean {
    return this.#stopping;
  }

  get slotCount(): number {
    return this.#slots.length;
  }

  start(inputs: WorkerInputs): void {
    const execArgv = [...process.execArgv, ...WORKER_FLAGS];
    cluster.setupPrimary({ exec: this.#deps.program, args: [], execArgv, serialization: 'json' });
    this.#watchedAt = this.#deps.clock.monotonic();
    this.#watch = this.#deps.clock.setInterval(() => this.#checkHeartbeats(), WATCH_MS);
    for (let index = 0; index < inputs.settings.workers; index += 1) this.addSlot(inputs);
  }

  addSlot(inputs: WorkerInputs): void {
    const slot: Slot = {
      index: this.#slots.length,
      current: null,
      next: null,
      inputs,
      history: NO_DEATHS,
      restarts: 0,
      timer: undefined,
    };
    this.#slots.push(slot);
    this.#fill(slot);
  }

  /** Removes the last slot; its clients go to the others. */
  removeSlot(drainMs: number): void {
    const slot = this.#slots.pop();
    if (slot === undefined) return;
    clearTimeout(slot.timer);
    slot.current?.drain(true, drainMs);
  }

  beginGeneration(): void {
    this.#generation += 1;
  }

  /**
   * Starts a successor in a slot; when it serves, the old worker hands over to it. Resolves with
   * true when the old one is gone, with false when the successor failed and the old one stays.
   */
  async replace(index: number, inputs: WorkerInputs, drainMs: number): Promise<boolean> {
    const slot = this.#slots[index];
    if (slot === undefined || this.#stopping) return false;
    clearTimeout(slot.timer);
    const next = this.#fork(slot, inputs);
    slot.next = next;
    if (next === null) {
      if (slot.current === null) this.#scheduleRestart(slot, 0);
      return false;
    }
    await this.#until(
      () => next.state !== WorkerState.Forking && next.state !== WorkerState.Starting,
    );
    slot.next = null;
    if (!next.serving || this.stopping) {
      if (slot.current === null) this.#scheduleRestart(slot, 0);
      return false;
    }
    const old = slot.current;
    slot.current = next;
    slot.inputs = inputs;
    slot.history = NO_DEATHS;
    old?.drain(true, drainMs);
    await this.#until(() => old === null || old.state === WorkerState.Dead);
    return true;
  }

  /**
   * Ends all workers; resolves when they are gone and what they held was freed. One that is handing over
   * in a reload goes first: its streams need a sibling that takes them, to be stopped there.
   */
  async stop(drainMs: number): Promise<void> {
    this.#stopping = true;
    for (const slot of this.#slots) clearTimeout(slot.timer);
    const begun = this.#deps.clock.monotonic();
    await this.#untilHandedOver(drainMs * HANDOVER_SHARE);
    const leftMs = drainMs - (this.#deps.clock.monotonic() - begun);
    for (const worker of this.workers) worker.drain(false, leftMs);
    await this.#until(() => this.#registry.size === 0);
    clearInterval(this.#watch);
    await Promise.all(this.#reaping);
  }

  async #untilHandedOver(ms: number): Promise<void> {
    const isOver = () => this.workers.every(({ state }) => state !== WorkerState.Draining);
    await withDeadline(this.#until(isOver), ms, 'handing over').catch(() => undefined);
  }

  /** SIGKILL to all, without waiting. */
  killAll(): void {
    this.#stopping = true;
    clearInterval(this.#watch);
    for (const slot of this.#slots) clearTimeout(slot.timer);
    for (const worker of this.workers) worker.kill('must go at once');
  }

  /** Frees what a worker that is gone held in Redis; `stop` waits for it. */
  reap(worker: WorkerId, owned: readonly OwnedStream[]): void {
    const { reaper, log } = this.#deps;
    const work = reapWorker(reaper, worker, owned, log).finally(() => {
      this.#reaping.delete(work);
    });
    this.#reaping.add(work);
  }

  #fill(slot: Slot): void {
    slot.current = this.#fork(slot, slot.inputs);
    if (slot.current === null) this.#onSlotEmpty(slot, 0);
  }

  /** `null` when the system has no process left; the next try follows the restart policy. */
  #fork(slot: Slot, inputs: WorkerInputs): WorkerHandle | null {
    const { clock, log, events } = this.#deps;
    const worker = tryFork(log);
    if (worker === null) return null;
    worker.on('error', (error) => log.debug('the channel of a worker failed', { error }));
    if (worker.process.pid === undefined) {
      log.error('the system cannot fork a worker', { slot: slot.index });
      return null;
    }
    const handle = new WorkerHandle(
      { slot: slot.index, generation: this.#generation, restarts: slot.restarts, ...inputs },
      {
        worker,
        pid: worker.process.pid,
        clock,
        log,
        look: lookAtThread,
        events: {
          onServing: () => this.#onServing(),
          onConnection: (from, message) => events.onConnection(from, message),
          onMetrics: (from, message) => events.onMetrics(from, message),
          onStream: (from, message, socket) => events.onStream(from, message, socket),
          onDead: (dead, exit) => this.#onDead(slot, dead, exit),
        },
      },
    );
    this.#registry.set(handle.pid, handle);
    return handle;
  }

  #onServing(): void {
    const first = !this.#everServed;
    this.#everServed = true;
    this.#deps.events.onServing(first);
    this.#wake();
  }

  #onDead(slot: Slot, handle: WorkerHandle, exit: WorkerExit): void {
    const { log, events } = this.#deps;
    this.#registry.delete(handle.pid);
    const level = exit.expected ? 'info' : 'error';
    log[level]('a worker is gone', { worker: handle.id, slot: slot.index, ...exit });
    this.reap(handle.id, handle.owned);
    this.#dropClientsLater(handle.id);
    events.onDead(handle);
    if (slot.current === handle) {
      slot.current = null;
      this.#onSlotEmpty(slot, exit.livedMs);
    }
    this.#wake();
  }

  /** Leases of players that no sibling adopted: who drains in order has none left. */
  #dropClientsLater(worker: WorkerId): void {
    const { reaper, clock, log } = this.#deps;
    clock
      .setTimeout(() => {
        if (!this.#stopping) void dropClients(reaper, worker, log);
      }, ADOPTION_MS)
      .unref();
  }

  #onSlotEmpty(slot: Slot, livedMs: number): void {
    if (this.#stopping || !this.#slots.includes(slot)) return;
    const { history, delayMs } = restartAfter(slot.history, livedMs);
    slot.history = history;
    const histories = this.#slots.map((each) => each.history);
    if (isHopeless(this.#everServed, histories)) this.#deps.events.onHopeless();
    else if (slot.next === null) this.#scheduleRestart(slot, delayMs);
  }

  #scheduleRestart(slot: Slot, delayMs: number): void {
    if (this.#stopping) return;
    this.#deps.log.info('restarting a worker', { slot: slot.index, delayMs });
    slot.timer = this.#deps.clock.setTimeout(() => {
      slot.restarts += 1;
      this.#fill(slot);
    }, delayMs);
  }

  #checkHeartbeats(): void {
    const now = this.#deps.clock.monotonic();
    const late = now - this.#watchedAt - WATCH_MS;
    this.#watchedAt = now;
    for (const worker of this.workers) {
      // Were the primary itself stopped for a while, all workers would seem to hang.
      if (late > LATE_MS) worker.pardon(late);
      worker.checkHeartbeat();
    }
  }

  /** Resolves when `condition` holds; looked at whenever a worker serves or is gone. */
  #until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!condition()) return;
        this.#waiters.delete(look);
        resolve();
      };
      this.#waiters.add(look);
      look();
    });
  }

  #wake(): void {
    for (const look of [...this.#waiters]) look();
  }
}

/** Node emits some failures (EAGAIN, EMFILE: then there is no process id) and throws others (ENOMEM). */
function tryFork(log: Logger): Worker | null {
  try {
    return cluster.fork();
  } catch (error) {
    log.error('the system cannot fork a worker', { error });
    return null;
  }
}
