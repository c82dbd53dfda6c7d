import type { Clock } from '../../shared/clock.js';
import type { Settings } from '../../shared/config/settings.js';
import { AppError, toAppError } from '../../shared/errors.js';
import type { WorkerId } from '../../shared/ids.js';
import { endedStreamView } from '../../shared/inspect/stream-view.js';
import type { Logger } from '../../shared/log/logger.js';
import type { StreamEvent } from '../../shared/redis/events.js';
import { classifyRedisFailure } from '../../shared/redis/failures.js';
import type { Metadata, OwnerStore, Ownership, RenewAnswer } from '../../shared/redis/owner-store.js';
import type { RingStore } from '../../shared/redis/ring-store.js';
import type { ContentSelector, CutChunk, EngineEnd } from '../contracts.js';
import type { AcceptedKind } from '../engine/start-answer.js';
import type { ChunkFeed } from '../ring/chunk-feed.js';
import { RingWriter } from '../ring/ring-writer.js';
import { EngineRunner, type EngineSlot, type EngineSlots, type Inherited } from './engine-runner.js';
import { decideIdle } from './idle-policy.js';
import { ChunkIntake } from './media-intake.js';
import { OwnerLease } from './owner-lease.js';
import { StatPoller } from './stat-poller.js';
import {
  engineFields,
  sessionFields,
  statFields,
  StreamRecord,
  StreamState,
} from './stream-record.js';

/** How an ownership ended. */
export type OwnerEnd =
  /** The stream is over and its keys are gone; `error` tells why when it was not the last viewer. */
  | { readonly outcome: 'ended'; readonly error: AppError | null }
  /** Another worker owns the stream: follow it. */
  | { readonly outcome: 'lost' }
  /** Given back on purpose (drain): somebody else goes on. */
  | { readonly outcome: 'yielded' };

export interface OwnerOptions {
  readonly ownership: Ownership;
  readonly worker: WorkerId;
  readonly selector: ContentSelector;
  readonly rememberedKind: AcceptedKind | null;
  /** Metadata of the owner before, when this is a takeover. */
  readonly inheritedFields: Readonly<Record<string, string>>;
  readonly inherited: Inherited | null;
  readonly settings: Settings;
  readonly ownerStore: OwnerStore;
  readonly ringStore: RingStore;
  readonly slots: EngineSlots;
  readonly feed: ChunkFeed;
  readonly localClients: () => number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onFault: (end: EngineEnd) => void;
  readonly onAppend: (bytes: number) => void;
}

/** Thrown through the runner to end it; never seen outside. */
class OwnerAbort extends Error {
  readonly end: 'idle' | 'asked' | 'lost' | 'yield' | 'shutdown';

  constructor(end: OwnerAbort['end']) {
    super(`the ownership ends: ${end}`);
    this.end = end;
  }
}

/** ms that the engine's stop may delay the removal of the keys (spec 2.4: gone within a second). */
const STOP_PATIENCE_MS = 700;

/** Part of the shutdown timeout in which viewers of sibling workers may still leave. */
const SHUTDOWN_SHARE = 0.3;
const SHUTDOWN_POLL_MS = 50;

/** One worker feeds the stream: engine → chunks → this worker's clients and the ring. */
export class OwnerLoop {
  readonly #options: OwnerOptions;
  readonly #abort = new AbortController();
  readonly #record: StreamRecord;
  readonly #runner: EngineRunner;
  readonly #writer: RingWriter;
  readonly #lease: OwnerLease;
  readonly #stats: StatPoller;
  #intake: ChunkIntake | null = null;
  #nextIndex: number;
  #bytes = 0;
  #splices = 0;
  #clients = 0;
  #idleSince: number | null = null;
  #engines = new Set<string>();

  constructor(options: OwnerOptions) {
    this.#options = options;
    const { ownership, worker, selector, inheritedFields, settings, clock, logger, feed } = options;
    this.#nextIndex = feed.head + 1;
    this.#bytes = Number(inheritedFields['total_bytes'] ?? 0);
    this.#record = new StreamRecord(inheritedFields, {
      content_id: selector.stream,
      key_type: selector.keyType,
      owner: worker,
      term: ownership.term,
      init_time: ownership.life,
    });
    this.#writer = new RingWriter({
      ownership,
      store: options.ringStore,
      feed,
      logger,
      now: () => clock.now(),
      onRefused: () => this.#lease.renewNow(),
    });
    this.#lease = this.#makeLease();
    this.#runner = new EngineRunner({
      selector,
      rememberedKind: options.rememberedKind,
      settings,
      slots: options.slots,
      clock,
      logger,
      events: {
        onConnecting: (slot) => this.#onConnecting(slot),
        onSession: (session, slot) => this.#onSession(session, slot),
        onFault: (end, engine) => this.#onFault(end, engine),
        onStat: (stat) => void this.#record.set(statFields(stat)),
        openIntake: () => this.#openIntake(),
      },
    });
    this.#stats = new StatPoller({
      session: () => this.#runner.session,
      onStat: (stat) => void this.#record.set(statFields(stat)),
      clock,
    });
  }

  /** Runs until the stream ends, is lost or is given back; never rejects. */
  async run(): Promise<OwnerEnd> {
    this.#lease.start();
    this.#stats.start();
    try {
      return await this.#runner.run(this.#abort.signal, this.#options.inherited);
    } catch (thrown) {
      return await this.#finish(thrown);
    } finally {
      this.#lease.stop();
      this.#stats.stop();
    }
  }

  /** Somebody asks for the stream's end (the API, a script). */
  stop(): void {
    this.#abort.abort(new OwnerAbort('asked'));
  }

  /** Gives the stream to whoever wins it next; the engine session goes on with it. */
  yield(): void {
    this.#abort.abort(new OwnerAbort('yield'));
  }

  /** The process ends: stops the stream when nobody else watches it, else gives it away. */
  shutdown(): void {
    this.#abort.abort(new OwnerAbort('shutdown'));
  }

  /** A hint that viewers came or went: look at once. */
  lookAtCensus(): void {
    this.#lease.renewNow();
  }

  #makeLease(): OwnerLease {
    const { ownership, ownerStore, settings, clock, logger } = this.#options;
    return new OwnerLease({
      ownership,
      store: ownerStore,
      lockMs: settings.ownerLockTtlMs,
      clock,
      logger,
      pulse: () => this.#pulse(),
      wholeMetadata: () => ({ ...this.#record.whole, ...this.#pulse() }),
      onRenewed: (answer) => this.#onRenewed(answer),
      onDoubt: () => this.#writer.detach('the lock could not be renewed in time'),
      onRestored: () => {
        this.#writer.attach({ emptied: true });
        this.#announce();
      },
      onLost: () => this.#abort.abort(new OwnerAbort('lost')),
    });
  }

  #openIntake(): ChunkIntake {
    const { settings, clock, feed } = this.#options;
    this.#enter(StreamState.Buffering);
    if (feed.head > 0) this.#splices++;
    this.#intake = new ChunkIntake({
      chunkBytes: settings.chunkBytes,
      flushMs: settings.flushMs,
      splice: feed.head > 0,
      clock,
      onChunk: (chunk) => this.#onChunk(chunk),
    });
    return this.#intake;
  }

  #onChunk(cut: CutChunk): void {
    const { feed, ownership, clock } = this.#options;
    const chunk = { ...cut, index: this.#nextIndex++, term: ownership.term, at: clock.now() };
    this.#bytes += chunk.bytes.length;
    this.#options.onAppend(chunk.bytes.length);
    this.#writer.write(chunk, feed.append(chunk));
    if (this.#record.state === StreamState.Buffering) this.#enterFlowing();
  }

  #enterFlowing(): void {
    const watched = this.#clients > 0 || this.#options.localClients() > 0;
    this.#enter(watched ? StreamState.Active : StreamState.WaitingForClients, {
      connection_ready_time: this.#options.clock.now(),
      error_message: '',
    });
  }

  #onConnecting(slot: EngineSlot): void {
    this.#enter(StreamState.Connecting, engineFields(slot));
    const reason = this.#engines.size === 0 ? null : 'the engine before failed';
    if (reason !== null) this.#publish({ type: 'engine_switched', engine: slot.engine.id, reason });
    this.#engines.add(slot.engine.id);
  }

  async #onSession(
    session: Parameters<typeof sessionFields>[0],
    slot: EngineSlot,
  ): Promise<void> {
    const { ownerStore, ownership, selector, worker } = this.#options;
    const fields = this.#record.set(sessionFields(session));
    await this.#quietly(ownerStore.write(ownership, fields));
    if (selector.keyType === 'id') {
      await this.#quietly(ownerStore.rememberKind(selector.stream, session.acceptedAs));
    }
    this.#publish({ type: 'stream_started', owner: worker, engine: slot.engine.id });
    this.#announce();
  }

  #onFault(end: EngineEnd, engine: string): void {
    const { logger, clock, onFault } = this.#options;
    logger.warn('engine fault', { engine, kind: end.kind, reason: end.reason, detail: end.message });
    this.#record.set({ error_message: end.message, error_time: clock.now() });
    onFault(end);
  }

  #onRenewed(answer: Extract<RenewAnswer, { outcome: 'renewed' }>): void {
    const { clock, settings, localClients } = this.#options;
    this.#writer.attach({ emptied: false });
    this.#clients = answer.clients;
    if (answer.stopRequest !== null) {
      this.stop();
      return;
    }
    const now = clock.now();
    const watched = answer.clients > 0 || localClients() > 0;
    this.#idleSince = watched ? null : (this.#idleSince ?? now);
    this.#followViewers(watched);
    const census = {
      clients: answer.clients,
      lastDisconnect: answer.lastDisconnect,
      localClients: localClients(),
      idleSince: this.#idleSince,
    };
    if (decideIdle(census, now, settings.graceMs).action === 'stop') void this.#tryIdleStop();
  }

  #followViewers(watched: boolean): void {
    const { state } = this.#record;
    if (state === StreamState.Active && !watched) this.#enter(StreamState.WaitingForClients);
    if (state === StreamState.WaitingForClients && watched) this.#enter(StreamState.Active);
  }

  async #tryIdleStop(): Promise<void> {
    const { ownerStore, ownership, settings, clock, logger } = this.#options;
    try {
      const answer = await ownerStore.beginStop(ownership, {
        now: clock.now(),
        graceMs: settings.graceMs,
        forced: false,
      });
      if (answer === 'begun') this.#abort.abort(new OwnerAbort('idle'));
      if (answer === 'lost') this.#abort.abort(new OwnerAbort('lost'));
    } catch (error) {
      logger.debug('the stop could not be decided', { error });
    }
  }

  async #finish(thrown: unknown): Promise<OwnerEnd> {
    this.#lease.stop();
    if (thrown instanceof OwnerAbort) {
      if (thrown.end === 'lost') return this.#stepDown();
      if (thrown.end === 'yield') return this.#yield();
      if (thrown.end === 'shutdown') return this.#endOrYield();
      const reason = thrown.end === 'idle' ? 'no viewers' : 'asked to stop';
      await this.#end(null, reason, thrown.end === 'idle');
      return { outcome: 'ended', error: null };
    }
    const error = toAppError(thrown);
    if (error.code === 'INTERNAL') this.#options.logger.error('the owner failed', { error: thrown });
    if (error.code === 'CONTENT_NOT_FOUND') await this.#rememberRefusal(error);
    await this.#end(error, error.message, false);
    return { outcome: 'ended', error };
  }

  /** Takes the stream down: state, engine, keys, in this order; each step has a deadline. */
  async #end(error: AppError | null, reason: string, begun: boolean): Promise<void> {
    const { ownership, ownerStore, settings, clock, selector } = this.#options;
    this.#enter(error === null ? StreamState.Stopping : StreamState.Error, {
      ...(error && { error_message: describe(error), error_time: clock.now() }),
    });
    if (!begun) {
      const options = { now: clock.now(), graceMs: settings.graceMs, forced: true };
      await this.#quietly(ownerStore.beginStop(ownership, options));
    }
    const closed = this.#runner.close({ keepSession: false });
    await Promise.race([closed, delay(clock, STOP_PATIENCE_MS)]);
    await this.#writer.close();
    const event: StreamEvent = {
      type: 'stream_stopped',
      reason,
      ...(error && { code: error.code, detail: describe(error) }),
    };
    await this.#quietly(ownerStore.end(ownership, event));
    const view = endedStreamView(
      { stream: selector.stream, metadata: this.#record.asText(), owner: null, clients: 0 },
      clock.now(),
    );
    await this.#quietly(ownerStore.remember(selector.stream, JSON.stringify(view)));
    await closed;
  }

  /** Another worker has won: it cares for the session it knows of; one it cannot know is stopped. */
  async #stepDown(): Promise<OwnerEnd> {
    const { logger, ownerStore, selector } = this.#options;
    logger.warn('another worker owns the stream now');
    await this.#writer.close();
    const mine = this.#runner.session?.playbackSessionId ?? '';
    await this.#runner.close({ keepSession: true });
    const fields = await ownerStore.readMetadata(selector.stream).catch(() => null);
    const known = [fields?.['playback_session_id'], fields?.['previous_session_id']];
    await this.#runner.close({ keepSession: fields === null || known.includes(mine) });
    return { outcome: 'lost' };
  }

  async #yield(): Promise<OwnerEnd> {
    const { ownerStore, selector, ownership } = this.#options;
    await this.#writer.close();
    await this.#runner.close({ keepSession: true });
    const event: StreamEvent = {
      type: 'owner_changed',
      owner: '',
      term: ownership.term,
      reason: 'handed over',
    };
    await this.#quietly(ownerStore.yieldLock(selector.stream, event));
    return { outcome: 'yielded' };
  }

  /** Viewers of sibling workers leave in the same moment; those of other hosts stay. */
  async #endOrYield(): Promise<OwnerEnd> {
    const { ownerStore, ownership, settings, clock } = this.#options;
    const deadline = clock.monotonic() + settings.shutdownTimeoutMs * SHUTDOWN_SHARE;
    for (;;) {
      const options = { now: clock.now(), graceMs: 0, forced: false };
      const answer = await ownerStore.beginStop(ownership, options).catch(() => 'away' as const);
      if (answer === 'lost') return this.#stepDown();
      if (answer === 'begun' || answer === 'away') {
        await this.#end(null, 'the proxy shuts down', answer === 'begun');
        return { outcome: 'ended', error: null };
      }
      if (clock.monotonic() >= deadline) return this.#yield();
      await delay(clock, SHUTDOWN_POLL_MS);
    }
  }

  async #rememberRefusal(error: AppError): Promise<void> {
    const { ownerStore, selector } = this.#options;
    await this.#quietly(ownerStore.rememberRefusal(selector.stream, describe(error)));
  }

  #enter(state: StreamState, more: Metadata = {}): void {
    const { ownerStore, ownership, clock } = this.#options;
    const fields = this.#record.enter(state, clock.now(), more);
    if (fields !== null) void this.#quietly(ownerStore.write(ownership, fields));
  }

  #pulse(): Metadata {
    const stats = this.#intake?.stats;
    return this.#record.set({
      buffer_chunks: this.#options.feed.marks().length,
      total_bytes: this.#bytes,
      splices: this.#splices,
      ...(stats && {
        bitrate: Math.round(stats.bitrate ?? 0),
        continuity_errors: stats.continuityErrors,
        sync_losses: stats.syncLosses,
      }),
    });
  }

  #announce(): void {
    const { ownerStore, selector, clock } = this.#options;
    void this.#quietly(ownerStore.announce(selector.stream, clock.now()));
  }

  #publish(event: StreamEvent): void {
    const { ownerStore, selector } = this.#options;
    void this.#quietly(ownerStore.publish(selector.stream, event));
  }

  /** Redis may be away at any of these steps; the lease finds out and acts. */
  async #quietly(work: Promise<unknown>): Promise<void> {
    try {
      await work;
    } catch (error) {
      const level = classifyRedisFailure(error) === 'defect' ? 'error' : 'debug';
      this.#options.logger[level]('the stream could not be written to Redis', { error });
    }
  }
}

function describe(error: AppError): string {
  const { reason } = error.details;
  return typeof reason === 'string' ? reason : error.message;
}

function delay(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.setTimeout(resolve, ms).unref());
}

