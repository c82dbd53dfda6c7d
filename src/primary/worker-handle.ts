import type { Worker } from 'node:cluster';
import { Socket } from 'node:net';

import type { Clock } from '../shared/clock.js';
import type { Settings } from '../shared/config/settings.js';
import type { StreamId, WorkerId } from '../shared/ids.js';
import { newWorkerId } from '../shared/ids.js';
import type {
  PrimaryMessage,
  WorkerMessage,
  WorkerStatus,
  WorkerVitals,
} from '../shared/ipc/messages.js';
import { isWorkerMessage } from '../shared/ipc/messages.js';
import type { Logger } from '../shared/log/logger.js';
import { takeConnection } from '../shared/raw-socket.js';
import { isConnectionMessage } from './connections.js';
import type { ConnectionMessage } from './connections.js';
import type { MetricsMessage } from './metrics-collector.js';
import type { ThreadSight } from './process-state.js';
import type { OwnedStream } from './reaper.js';
import { judgeSilence, QUIET_MS } from './silence-policy.js';
import { isStreamMessage } from './stream-router.js';
import type { StreamMessage } from './stream-router.js';

export const WorkerState = {
  /** The process loads its code and does not listen to the channel yet. */
  Forking: 'forking',
  /** It has its settings and prepares to serve. */
  Starting: 'starting',
  /** Connections may be dealt to it. */
  Serving: 'serving',
  /** It takes nothing new and gives its clients away. */
  Draining: 'draining',
  /** The process is gone and everything it had said has been read. */
  Dead: 'dead',
} as const;
export type WorkerState = (typeof WorkerState)[keyof typeof WorkerState];

export interface WorkerExit {
  readonly code: number | null;
  readonly signal: string | null;
  readonly livedMs: number;
  /** It drained because it was told to, and ended by itself. */
  readonly expected: boolean;
}

export interface WorkerEvents {
  onServing(handle: WorkerHandle): void;
  onConnection(handle: WorkerHandle, message: ConnectionMessage): void;
  onMetrics(handle: WorkerHandle, message: MetricsMessage): void;
  /** The socket that came along does not read. */
  onStream(handle: WorkerHandle, message: StreamMessage, socket: Socket | null): void;
  onDead(handle: WorkerHandle, exit: WorkerExit): void;
}

export interface WorkerOptions {
  readonly slot: number;
  readonly generation: number;
  readonly restarts: number;
  readonly settings: Settings;
  readonly apiKey: string;
  readonly apiKeyConfigured: boolean;
}

export interface WorkerDeps {
  readonly worker: Worker;
  readonly pid: number;
  readonly events: WorkerEvents;
  readonly clock: Clock;
  readonly log: Logger;
  /** What the system knows of the process' main thread. */
  readonly look: (pid: number) => ThreadSight | null;
}

/** Six missed heartbeats: deal to others while there are any. */
const STALE_MS = 1_500;
/** From a suspicion to the second look; a turn of the primary's event loop lies between them. */
const CONFIRM_MS = 20;
/** From the fork to `ready`; loading the code takes a second on a busy machine. */
const START_DEADLINE_MS = 30_000;
/** A worker that said `drained` has nothing left to do but to exit. */
const EXIT_DEADLINE_MS = 1_000;
/** A worker that keeps its deadline must not be killed for the time its exit takes. */
const KILL_MARGIN_MS = 500;
/** Time for the channel's last messages to be read after the exit; normally one turn of the loop. */
const LAST_WORDS_MS = 200;
const LAST_WORDS_POLL_MS = 2;

/** One forked worker: its state, its heartbeat and what it owns. */
export class WorkerHandle {
  readonly slot: number;
  readonly generation: number;
  readonly pid: number;
  readonly id: WorkerId;
  /** Of the last deal to it; written by the dealer. */
  lastDeal = 0;
  readonly #options: WorkerOptions;
  readonly #deps: WorkerDeps;
  readonly #bornAt: number;
  readonly #owned = new Map<StreamId, number>();
  /** Connections on their way to it. */
  readonly #given = new Set<Socket>();
  #state: WorkerState = WorkerState.Forking;
  #servingSince = 0;
  #heartbeatAt: number;
  /** What its main thread had had by then. */
  #sightAtHeartbeat: ThreadSight | null = null;
  /** It seemed to be blocked or to hang when it was last looked at. */
  #suspected = false;
  #vitals: WorkerVitals | null = null;
  #deadline: NodeJS.Timeout | undefined;

  constructor(options: WorkerOptions, deps: WorkerDeps) {
    this.pid = deps.pid;
    this.id = newWorkerId(deps.pid);
    this.slot = options.slot;
    this.generation = options.generation;
    this.#options = options;
    this.#deps = deps;
    this.#bornAt = deps.clock.monotonic();
    this.#heartbeatAt = this.#bornAt;
    this.#killAfter(START_DEADLINE_MS, 'did not start in time');
    this.#listen();
  }

  get state(): WorkerState {
    return this.#state;
  }

  get serving(): boolean {
    return this.#state === WorkerState.Serving;
  }

  get settings(): Settings {
    return this.#options.settings;
  }

  /** The heartbeat is late but may still come. */
  get stale(): boolean {
    return this.heartbeatAgeMs > STALE_MS;
  }

  get heartbeatAgeMs(): number {
    return this.#deps.clock.monotonic() - this.#heartbeatAt;
  }

  /** Streams whose lock it holds. */
  get owned(): OwnedStream[] {
    return [...this.#owned].map(([stream, term]) => ({ stream, term }));
  }

  status(connections: number): WorkerStatus {
    return {
      worker: this.id,
      pid: this.pid,
      state: this.#state,
      heartbeatAgeMs: Math.round(this.heartbeatAgeMs),
      restarts: this.#options.restarts,
      connections,
      vitals: this.#vitals,
    };
  }

  /**
   * Sends, a socket riding along when given; the primary keeps its own handle of it. `onFailed` is
   * called when the worker is unreachable. No call means nothing: a worker may die with it unread.
   */
  send(message: PrimaryMessage, socket?: Socket, onFailed?: (error: Error) => void): void {
    const done = (error: Error | null): void => {
      if (error !== null) onFailed?.(error);
    };
    const { worker } = this.#deps;
    if (socket === undefined) worker.send(message, done);
    else worker.send(message, socket, { keepOpen: true }, done);
  }

  /**
   * Gives it a stream of another worker, and the engine's connection for good. It counts as the owner
   * at once: its death frees the lock, which names it.
   */
  giveStream({ stream, term }: OwnedStream, from: WorkerId, socket: Socket | null): void {
    const message: PrimaryMessage = { type: 'stream-adopt', stream, term, from };
    this.#owned.set(stream, term);
    if (socket === null) {
      this.send(message);
      return;
    }
    this.#given.add(socket);
    // Without `keepOpen` Node 20 never closes the handle of a worker that dies before it has taken
    // it. Once sent the connection lives on in the channel, so that our copy can be closed.
    this.#deps.worker.send(message, socket, { keepOpen: true }, () => {
      this.#given.delete(socket);
      socket.destroy();
    });
  }

  /** Asks it to leave; SIGKILL after `deadlineMs`, of which the worker itself knows a bit less. */
  drain(handover: boolean, deadlineMs: number): void {
    if (this.#state === WorkerState.Dead) return;
    if (this.#state === WorkerState.Forking || this.#state === WorkerState.Starting) {
      // It has no client yet.
      this.#enterDraining();
      this.kill('is not needed any more');
      return;
    }
    this.#enterDraining();
    this.#killAfter(deadlineMs, 'did not drain in time');
    const ownMs = Math.max(deadlineMs - KILL_MARGIN_MS, deadlineMs / 2);
    this.send({ type: 'drain', handover, deadlineMs: ownMs });
  }

  /** Kills it when its heartbeat is too old, sooner when the system says why (`judgeSilence`). */
  checkHeartbeat(): void {
    const draining = this.#state === WorkerState.Draining;
    const ageMs = this.heartbeatAgeMs;
    if ((!this.serving && !draining) || ageMs <= QUIET_MS) return;
    const sight = this.#deps.look(this.pid);
    const before = this.#sightAtHeartbeat;
    const verdict = judgeSilence({
      ...{ ageMs, suspected: this.#suspected, stopped: sight?.stopped === true },
      servedMs: draining ? null : this.#deps.clock.monotonic() - this.#servingSince,
      cpuMs: since(before?.cpuMs, sight?.cpuMs),
      waitedMs: since(before?.waitedMs, sight?.waitedMs),
    });
    this.#suspected = verdict.action === 'suspect';
    if (this.#suspected) this.#deps.clock.setTimeout(() => this.checkHeartbeat(), CONFIRM_MS);
    if (verdict.action === 'kill') this.kill(verdict.why);
  }

  /** The primary itself stood still for so long: nobody's heartbeat could be read. */
  pardon(ms: number): void {
    this.#heartbeatAt += ms;
  }

  /** SIGKILL: also ends a stopped process. `why` is a predicate for the log. */
  kill(why: string): void {
    if (this.#state === WorkerState.Dead) return;
    this.#deps.log.warn(`killing a worker that ${why}`, this.#fields());
    this.#deps.worker.process.kill('SIGKILL');
  }

  #listen(): void {
    const { worker } = this.#deps;
    worker.on('message', (message: unknown, carried: unknown) => {
      // In this tick: a socket that came reads from its construction on.
      this.#take(message, carried instanceof Socket ? hold(carried) : null);
    });
    worker.once('exit', (code: number | null, signal: string | null) => {
      this.#awaitLastWords(code, signal, LAST_WORDS_MS);
    });
  }

  #take(message: unknown, socket: Socket | null): void {
    const heard = isWorkerMessage(message) && this.#state !== WorkerState.Dead ? message : null;
    if (heard !== null && isStreamMessage(heard)) {
      if (heard.type === 'stream-handover') this.#owned.delete(heard.stream);
      this.#deps.events.onStream(this, heard, socket);
      return;
    }
    socket?.destroy();
    if (heard !== null) this.#receive(heard);
  }

  #receive(message: Exclude<WorkerMessage, StreamMessage>): void {
    if (isConnectionMessage(message)) {
      this.#deps.events.onConnection(this, message);
      return;
    }
    switch (message.type) {
      case 'hello':
        this.#enterStarting();
        return;
      case 'ready':
        this.#enterServing();
        return;
      case 'heartbeat':
        this.#beat();
        this.#vitals = message.vitals;
        return;
      case 'owning':
        this.#owned.set(message.stream, message.term);
        return;
      case 'released':
        this.#owned.delete(message.stream);
        return;
      case 'failed':
        this.#deps.log.error('a worker failed', {
          ...this.#fields(),
          code: message.code,
          reason: message.message,
        });
        return;
      case 'drained':
        this.#killAfter(EXIT_DEADLINE_MS, 'drained but does not exit');
        return;
      case 'metrics':
      case 'metrics-ask':
        this.#deps.events.onMetrics(this, message);
    }
  }

  #enterStarting(): void {
    if (this.#state !== WorkerState.Forking) return;
    this.#state = WorkerState.Starting;
    const { settings, apiKey, apiKeyConfigured } = this.#options;
    this.send({ type: 'start', worker: this.id, settings, apiKey, apiKeyConfigured });
  }

  #enterServing(): void {
    if (this.#state !== WorkerState.Starting) return;
    clearTimeout(this.#deadline);
    this.#state = WorkerState.Serving;
    this.#servingSince = this.#deps.clock.monotonic();
    this.#beat();
    this.#deps.log.info('a worker serves', this.#fields());
    this.#deps.events.onServing(this);
  }

  #beat(): void {
    this.#heartbeatAt = this.#deps.clock.monotonic();
    this.#sightAtHeartbeat = this.#deps.look(this.pid);
    this.#suspected = false;
  }

  #enterDraining(): void {
    this.#state = WorkerState.Draining;
  }

  #enterDead(code: number | null, signal: string | null): void {
    const expected = this.#state === WorkerState.Draining && code === 0;
    clearTimeout(this.#deadline);
    this.#state = WorkerState.Dead;
    // Node forgets those that waited for others to arrive.
    for (const socket of this.#given) socket.destroy();
    const livedMs = Math.round(this.#deps.clock.monotonic() - this.#bornAt);
    this.#deps.events.onDead(this, { code, signal, livedMs, expected });
  }

  /**
   * The exit may be seen before the last messages have been read, and they decide what happens to
   * its connections. `disconnect` cannot be waited for: it is never emitted when a socket that
   * was sent last has not been acknowledged (Node 20), but `connected` turns false at the end.
   */
  #awaitLastWords(code: number | null, signal: string | null, leftMs: number): void {
    if (!this.#deps.worker.process.connected || leftMs <= 0) {
      // The messages of the last read are emitted on the next tick, before this.
      setImmediate(() => this.#enterDead(code, signal));
      return;
    }
    this.#deps.clock.setTimeout(() => {
      this.#awaitLastWords(code, signal, leftMs - LAST_WORDS_POLL_MS);
    }, LAST_WORDS_POLL_MS);
  }

  #killAfter(ms: number, why: string): void {
    clearTimeout(this.#deadline);
    this.#deadline = this.#deps.clock.setTimeout(() => this.kill(why), ms);
  }

  #fields(): Record<string, unknown> {
    return { worker: this.id, slot: this.slot, generation: this.generation };
  }
}

/** `null` where one of the two is not known. */
function since(before: number | null | undefined, now: number | null | undefined): number | null {
  return typeof before === 'number' && typeof now === 'number' ? now - before : null;
}

/** The connection, which nobody reads from here; `null` when it could not be kept from that. */
function hold(carried: Socket): Socket | null {
  const held = takeConnection(carried);
  if (held === null) carried.destroy();
  return held;
}
