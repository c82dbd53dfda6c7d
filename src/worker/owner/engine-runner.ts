import type { Socket } from 'node:net';
import type { Clock } from '../../shared/clock.js';
import { sleep } from '../../shared/clock.js';
import type { EngineAddress, Settings } from '../../shared/config/settings.js';
import { AppError } from '../../shared/errors.js';
import type { Logger } from '../../shared/log/logger.js';
import {
  type ContentSelector,
  type EngineEnd,
  type MovableReader,
  type EngineSession,
  type EngineStat,
} from '../contracts.js';
import { startSession } from '../engine/acestream-session.js';
import { EngineFault, LOOP_REASON } from '../engine/engine-fault.js';
import { answerTimeout, headerTimeout } from '../engine/patience.js';
import { nextAttempt, type Attempt, type AttemptPhase } from '../engine/ladder.js';
import { openPlayback } from '../engine/open-playback.js';
import type { AcceptedKind } from '../engine/start-answer.js';
import { stopSession } from '../engine/stop-session.js';

/** A slot on an engine, reserved for this stream. */
export interface EngineSlot {
  readonly engine: EngineAddress;
  readonly containerId: string | null;
  readonly lease: string;
  /** Engines that were free too: with none, this one gets all the time there is. */
  readonly alternatives: number;
}

/** Where slots come from and what is said of the engines: the registry, seen from an owner. */
export interface EngineSlots {
  /** Resolves to `null` and why when no engine is free. */
  reserve(exclude: readonly string[]): Promise<EngineSlot | { readonly none: object }>;
  release(lease: string): Promise<void>;
  succeeded(engine: string): void;
  failed(engine: string, end: EngineEnd): void;
  /** A minute of the stream on this engine lost so many packets. */
  suffered(engine: string, lossesPerMinute: number): void;
}

/** Takes the bytes of one source; a new one is made for every reader. */
export interface MediaIntake {
  push(bytes: Buffer): void;
  /** After each push: why this source is to be left although bytes come, garbage or a loop (spec 3.4). */
  judge(): EngineEnd | null;
  /** True once a chunk came out of this source. */
  readonly flowing: boolean;
  close(): void;
}

export interface RunnerEvents {
  onConnecting(slot: EngineSlot): void;
  onSession(session: EngineSession, slot: EngineSlot): Promise<void>;
  onFault(end: EngineEnd, engine: string): void;
  onStat(stat: EngineStat): void;
  /** A session was stopped, or its engine did not know it any more. */
  onStopped(): void;
  /** The answer to a start that nobody wants any more: its session is stopped when it comes. */
  onLateAnswer(work: Promise<void>): void;
  openIntake(): MediaIntake;
}

export interface RunnerOptions {
  readonly selector: ContentSelector;
  readonly rememberedKind: AcceptedKind | null;
  /** True while the stream never had media: then a failure is an answer, not a gap. */
  readonly starting: boolean;
  readonly settings: Settings;
  readonly slots: EngineSlots;
  readonly events: RunnerEvents;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What a takeover inherits: a session that runs, and the slot it runs on. */
export interface Inherited {
  readonly session: EngineSession;
  readonly slot: EngineSlot;
  /** The engine's connection, when the owner before handed it over; else it is opened again. */
  readonly reader: MovableReader | null;
}

/** ms that ending one session may delay the start of the next. */
const STOP_PATIENCE_MS = 1_000;

/**
 * Keeps one reader on one session of one engine, whatever happens to them, until it is aborted or has
 * to give up. The policy is `nextAttempt`; this class only carries it out.
 */
export class EngineRunner {
  readonly #options: RunnerOptions;
  readonly #attempts: Attempt[] = [];
  #starting: boolean;
  #lastProgressAt: number;
  #lastFault: EngineEnd | null = null;
  #noEngine: object | null = null;
  #slot: EngineSlot | null = null;
  #session: EngineSession | null = null;
  #reader: MovableReader | null = null;

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#starting = options.starting;
    this.#lastProgressAt = options.clock.monotonic();
  }

  get session(): EngineSession | null {
    return this.#session;
  }

  /** Runs until it gives up (throws `AppError`) or `signal` aborts (throws its reason). */
  async run(signal: AbortSignal, inherited: Inherited | null): Promise<never> {
    if (inherited !== null) {
      this.#slot = inherited.slot;
      this.#session = inherited.session;
      const { session, slot, reader } = inherited;
      if (reader === null) await this.#play(session, slot, signal);
      else await this.#readOut(reader, slot, signal);
    }
    for (;;) {
      signal.throwIfAborted();
      await this.#step(signal);
    }
  }

  /** Lets go of the engine's connection in the middle of the stream; `null` when it cannot move. */
  release(): Socket | null {
    const socket = this.#reader?.release() ?? null;
    if (socket !== null) this.#reader = null;
    return socket;
  }

  /** Closes the reader and, unless told otherwise, stops the session; frees the slot. Idempotent. */
  async close(options: { readonly keepSession: boolean }): Promise<void> {
    await this.#closeReader();
    if (!options.keepSession) await this.#endSession();
    await this.#releaseSlot();
  }

  /** Session and slot are another worker's now: neither is stopped or freed here. */
  forget(): void {
    this.#session = null;
    this.#slot = null;
  }

  async #step(signal: AbortSignal): Promise<void> {
    const { clock, settings } = this.#options;
    const history = {
      starting: this.#starting,
      lastProgressAt: this.#lastProgressAt,
      attempts: this.#attempts,
    };
    const action = nextAttempt(history, clock.monotonic(), settings);
    switch (action.type) {
      case 'giveUp':
        throw new AppError(action.code, {
          ...(this.#lastFault && { reason: this.#lastFault.message }),
          ...(this.#noEngine && { engines: this.#noEngine }),
        });
      case 'wait':
        return sleep(clock, action.ms, signal);
      case 'otherEngine':
        return this.#moveToEngine(action.exclude, signal);
      case 'newSession':
        await this.#endSession();
        if (this.#slot === null) return this.#moveToEngine([], signal);
        return this.#start(this.#slot, signal);
      case 'reopen':
        if (this.#session === null || this.#slot === null) return this.#moveToEngine([], signal);
        return this.#play(this.#session, this.#slot, signal);
    }
  }

  async #moveToEngine(exclude: readonly string[], signal: AbortSignal): Promise<void> {
    await this.#endSession();
    await this.#releaseSlot();
    const slot = await this.#options.slots.reserve(exclude);
    if ('none' in slot) {
      this.#noEngine = slot.none;
      this.#attempts.push({ outcome: 'no-engine', at: this.#options.clock.monotonic() });
      return;
    }
    this.#slot = slot;
    signal.throwIfAborted();
    await this.#start(slot, signal);
  }

  async #start(slot: EngineSlot, signal: AbortSignal): Promise<void> {
    const { selector, rememberedKind, settings, events, logger } = this.#options;
    events.onConnecting(slot);
    let session: EngineSession;
    try {
      session = await startSession(slot.engine, selector, {
        ...(rememberedKind && { rememberedKind }),
        signal,
        connectTimeoutMs: settings.connectionTimeoutMs,
        answerTimeoutMs: answerTimeout(slot.alternatives, settings),
        log: logger,
        onBackground: (work) => events.onLateAnswer(work),
      });
    } catch (thrown) {
      this.#failed(slot, 'start', toEnd(thrown, signal), 0);
      return;
    }
    this.#session = session;
    await events.onSession(session, slot);
    await this.#play(session, slot, signal);
  }

  async #play(session: EngineSession, slot: EngineSlot, signal: AbortSignal): Promise<void> {
    const { settings, events, clock, logger } = this.#options;
    let reader: MovableReader;
    try {
      reader = await openPlayback(session, {
        signal,
        connectTimeoutMs: settings.connectionTimeoutMs,
        headerTimeoutMs: headerTimeout(slot.alternatives, settings),
        readBytes: settings.readBytes,
        stallTimeoutMs: settings.stallTimeoutMs,
        onStat: (stat) => {
          if ((stat.peers ?? 0) > 0) this.#lastProgressAt = clock.monotonic();
          events.onStat(stat);
        },
        log: logger,
      });
    } catch (thrown) {
      this.#failed(slot, 'open', toEnd(thrown, signal), 0);
      return;
    }
    await this.#readOut(reader, slot, signal);
  }

  async #readOut(reader: MovableReader, slot: EngineSlot, signal: AbortSignal): Promise<void> {
    this.#reader = reader;
    const { end, mediaMs } = await this.#read(reader, slot, signal);
    await this.#closeReader();
    this.#failed(slot, 'play', end, mediaMs);
  }

  /** Reads until the source ends; rejects with the signal's reason, the reader then still open. */
  #read(
    reader: MovableReader,
    slot: EngineSlot,
    signal: AbortSignal,
  ): Promise<{ end: EngineEnd; mediaMs: number }> {
    const { clock, events, slots } = this.#options;
    const intake = events.openIntake();
    let flowingSince: number | null = null;
    return new Promise((resolve, reject) => {
      let finished = false;
      const finish = (): void => {
        finished = true;
        intake.close();
        signal.removeEventListener('abort', onAbort);
      };
      const onAbort = (): void => {
        finish();
        reject(signal.reason as Error);
      };
      const flows = (): void => {
        this.#lastProgressAt = clock.monotonic();
        if (flowingSince !== null) return;
        flowingSince = this.#lastProgressAt;
        this.#starting = false;
        slots.succeeded(slot.engine.id);
      };
      const onEnd = (end: EngineEnd): void => {
        finish();
        // Its only chunk may have been cut by time, or just now: players have media, so this is a gap.
        if (flowingSince === null && intake.flowing) flows();
        // Media that was there before is no progress: a loop never makes an engine a stable one.
        const since = end.reason === LOOP_REASON ? null : flowingSince;
        const mediaMs = since === null ? 0 : this.#lastProgressAt - since;
        resolve({ end, mediaMs });
      };
      const onData = (bytes: Buffer): void => {
        // After an abort the reader goes on until it is closed: nobody may be fed by then.
        if (finished) return;
        intake.push(bytes);
        const fault = intake.judge();
        if (fault !== null) onEnd(fault);
        else if (intake.flowing) flows();
      };
      if (signal.aborted) {
        onAbort();
        return;
      }
      signal.addEventListener('abort', onAbort, { once: true });
      reader.start({ onData, onEnd });
    });
  }

  #failed(slot: EngineSlot, phase: AttemptPhase, end: EngineEnd, mediaMs: number): void {
    const { clock, events, slots } = this.#options;
    this.#lastFault = end;
    this.#attempts.push({
      outcome: 'failed',
      at: clock.monotonic(),
      engineId: slot.engine.id,
      session: this.#session?.pid ?? null,
      phase,
      kind: end.kind,
      reason: end.reason,
      mediaMs,
    });
    this.#attempts.splice(0, this.#attempts.length - MAX_ATTEMPTS_KEPT);
    slots.failed(slot.engine.id, end);
    events.onFault(end, slot.engine.id);
  }

  async #closeReader(): Promise<void> {
    const reader = this.#reader;
    this.#reader = null;
    await reader?.close();
  }

  /** A stop that hangs goes on alone: the next session must not wait for it. */
  async #endSession(): Promise<void> {
    await this.#closeReader();
    const session = this.#session;
    this.#session = null;
    if (session === null) return;
    const stopped = stopSession(session).then((result) => {
      this.#options.logger.info('engine session stopped', { engine: session.engine.id, result });
      if (result !== 'failed') this.#options.events.onStopped();
    });
    const patience = new AbortController();
    await Promise.race([
      stopped,
      sleep(this.#options.clock, STOP_PATIENCE_MS, patience.signal).catch(() => undefined),
    ]);
    patience.abort();
  }

  async #releaseSlot(): Promise<void> {
    const slot = this.#slot;
    this.#slot = null;
    if (slot === null) return;
    try {
      await this.#options.slots.release(slot.lease);
    } catch (error) {
      // The reservation runs out by itself.
      this.#options.logger.debug('a slot could not be released', { error });
    }
  }
}

/** Far more than any rule of the ladder looks back at. */
const MAX_ATTEMPTS_KEPT = 64;

/** A fault as what the ladder knows; an abort goes through. */
function toEnd(thrown: unknown, signal: AbortSignal): EngineEnd {
  if (signal.aborted || !(thrown instanceof EngineFault)) throw thrown;
  return thrown.toEnd();
}
