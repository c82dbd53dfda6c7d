import type { Socket } from 'node:net';
import { toAppError } from '../../shared/errors.js';
import type { WorkerId } from '../../shared/ids.js';
import type { Metadata, RenewAnswer } from '../../shared/redis/owner-store.js';
import type { CutChunk, EngineEnd, EngineStat } from '../contracts.js';
import type { Continuation } from '../engine/ts-chunker.js';
import { RingWriter, WriterState } from '../ring/ring-writer.js';
import { EngineRunner, type EngineSlot } from './engine-runner.js';
import { IdleWatch } from './idle-watch.js';
import { ChunkIntake } from './chunk-intake.js';
import { OwnerAbort, OwnerEnding, type OwnerEnd } from './owner-ending.js';
import { OwnerLock } from './owner-lock.js';
import { QualityWatch } from './quality-watch.js';
import { StatPoller } from './stat-poller.js';
import { StreamPublisher } from './stream-publisher.js';
import { StreamStory } from './stream-story.js';
import {
  engineFields,
  NO_SESSION,
  ringFields,
  sessionFields,
  statFields,
  StreamRecord,
  StreamState,
} from './stream-record.js';
import type { OwnerOptions } from './owner-options.js';

/** One worker feeds the stream: engine → chunks → this worker's clients and the ring. */
export class OwnerLoop {
  readonly #options: OwnerOptions;
  readonly #abort = new AbortController();
  readonly #record: StreamRecord;
  readonly #runner: EngineRunner;
  readonly #writer: RingWriter;
  readonly #publisher: StreamPublisher;
  readonly #ending: OwnerEnding;
  readonly #lease: OwnerLock;
  readonly #stats: StatPoller;
  readonly #idle: IdleWatch;
  readonly #story: StreamStory;
  readonly #quality: QualityWatch;
  #intake: ChunkIntake | null = null;
  /** Taken by the first reader only: the inherited one. */
  #continues: Continuation | null;
  #nextIndex: number;
  #bytes = 0;
  #splices = 0;
  #engines = new Set<string>();

  constructor(options: OwnerOptions) {
    this.#options = options;
    const { ownership, worker, selector, inheritedFields, settings, clock, logger, feed } = options;
    this.#continues = options.continues;
    this.#nextIndex = feed.head + 1;
    this.#bytes = Number(inheritedFields['total_bytes'] ?? 0);
    this.#record = new StreamRecord(inheritedFields, {
      content_id: selector.stream,
      key_type: selector.keyType,
      owner: worker,
      term: ownership.term,
      init_time: ownership.life,
    });
    const { ownerStore: store } = options;
    const record = this.#record;
    this.#story = new StreamStory({
      tell: (entries) => store.tell(ownership, entries),
      clock,
      takeover: feed.head === 0 ? null : { from: inheritedFields['previous_owner'] || null },
    });
    this.#quality = new QualityWatch({
      ...{ inheritedFields, story: this.#story, slots: options.slots, clock },
      engine: options.inherited?.slot.engine.id ?? null,
      metrics: options.quality,
    });
    this.#publisher = new StreamPublisher({ ownership, store, record, clock, logger });
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
      starting: feed.head === 0,
      settings,
      slots: options.slots,
      clock,
      logger,
      events: {
        onConnecting: (slot) => this.#onConnecting(slot),
        onSession: (session, slot) => this.#onSession(session, slot),
        onFault: (end, engine) => this.#onFault(end, engine),
        onStat: (stat) => this.#onStat(stat),
        onStopped: options.onStopped,
        onLateAnswer: options.onLateAnswer,
        openIntake: () => this.#openIntake(),
      },
    });
    this.#ending = new OwnerEnding({
      ...{ ownership, store, settings, record, clock, logger },
      publisher: this.#publisher,
      runner: this.#runner,
      writer: this.#writer,
      story: this.#story,
      onEnding: options.onEnding,
    });
    this.#idle = new IdleWatch({
      ...{ ownership, store, record, clock, logger, graceMs: settings.graceMs },
      publisher: this.#publisher,
      localClients: options.localClients,
      onDue: () => this.#lease.renewNow(),
      onDecided: (outcome) => this.#abort.abort(new OwnerAbort(outcome)),
    });
    this.#stats = new StatPoller({
      session: () => this.#runner.session,
      onStat: (stat) => this.#onStat(stat),
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
      this.#idle.stop();
      this.#lease.stop();
      this.#stats.stop();
    }
  }

  /** Somebody asks for the stream's end (the API, a script). */
  stop(): void {
    this.#abort.abort(new OwnerAbort('asked'));
  }

  /**
   * Gives the stream to whoever wins it next; the engine session goes on with it. One in its grace period
   * is stopped, because nobody would. (Without media somebody may be asking again elsewhere just now.)
   */
  yield(): void {
    const unwatched = this.#idle.idle && this.#options.feed.head > 0;
    this.#abort.abort(new OwnerAbort(unwatched ? 'unwatched' : 'yield'));
  }

  /**
   * Gives the stream to a certain worker in the middle of the engine's stream: not a byte is lost and
   * no second session is needed. Where that cannot be, to whoever wins it.
   */
  handOver(target: WorkerId, give: (socket: Socket, term: number) => Promise<void>): void {
    if (this.#abort.signal.aborted) return;
    const { term } = this.#options.ownership;
    const socket = this.#runner.release();
    const left = socket === null ? null : (this.#intake?.suspend() ?? null);
    if (socket === null || left === null) {
      socket?.destroy();
      this.yield();
      return;
    }
    this.#abort.abort(new OwnerAbort({ target, socket, left, give: (moved) => give(moved, term) }));
  }

  /** The process ends: stops the stream when nobody else watches it, else gives it away. */
  shutdown(): void {
    this.#abort.abort(new OwnerAbort('shutdown'));
  }

  /** A hint that viewers went: look at once. */
  lookAtCensus(): void {
    this.#lease.renewNow();
  }

  /** A hint that a viewer came, which changes something for the first one only. */
  viewerCame(): void {
    if (!this.#idle.watched) this.#lease.renewNow();
  }

  #makeLease(): OwnerLock {
    const { ownership, ownerStore, settings, clock, logger } = this.#options;
    return new OwnerLock({
      ownership,
      store: ownerStore,
      lockMs: settings.ownerLockTtlMs,
      clock,
      logger,
      troubled: () => this.#writer.state !== WriterState.Online,
      pulse: () => this.#pulse(),
      wholeMetadata: () => ({ ...this.#record.whole, ...this.#pulse() }),
      onRenewed: (answer) => this.#onRenewed(answer),
      onDoubt: () => {
        this.#story.redisAway();
        this.#writer.detach('the lock could not be renewed in time');
      },
      onRestored: () => {
        this.#story.restored();
        this.#writer.attach({ emptied: true });
        this.#publisher.announce();
      },
      onLost: () => this.#abort.abort(new OwnerAbort('lost')),
    });
  }

  #openIntake(): ChunkIntake {
    const { settings, clock, feed } = this.#options;
    const continues = this.#continues;
    this.#continues = null;
    if (continues === null) {
      this.#publisher.enter(StreamState.Buffering);
      this.#story.reading();
      if (feed.head > 0) this.#splices++;
    } else this.#story.continuing();
    this.#quality.opened(this.#intake?.stats ?? null);
    this.#intake = new ChunkIntake({
      continues,
      chunkBytes: settings.chunkBytes,
      flushMs: settings.flushMs,
      splice: feed.head > 0,
      clock,
      onChunk: (chunk) => this.#onChunk(chunk),
      judge: (intake) => this.#quality.judge(intake),
    });
    return this.#intake;
  }

  #onChunk(cut: CutChunk): void {
    const { feed, ownership, clock } = this.#options;
    const chunk = { ...cut, index: this.#nextIndex++, term: ownership.term, at: clock.now() };
    this.#bytes += chunk.bytes.length;
    this.#options.onAppend(chunk.bytes.length);
    this.#story.media();
    this.#writer.write(chunk, feed.append(chunk));
    // A connection that was handed over flows without a beginning.
    const { state } = this.#record;
    if (state === StreamState.Buffering || state === StreamState.Initializing) this.#enterFlowing();
  }

  #enterFlowing(): void {
    this.#publisher.enter(this.#idle.watched ? StreamState.Active : StreamState.WaitingForClients, {
      connection_ready_time: this.#options.clock.now(),
      error_message: '',
    });
  }

  #onConnecting(slot: EngineSlot): void {
    this.#publisher.enter(StreamState.Connecting, { ...engineFields(slot), ...NO_SESSION });
    this.#story.connecting(slot.engine.id, slot.alternatives);
    this.#quality.connecting(slot.engine.id);
    const reason = this.#engines.size === 0 ? null : 'the engine before failed';
    if (reason !== null)
      this.#publisher.publish({ type: 'engine_switched', engine: slot.engine.id, reason });
    this.#engines.add(slot.engine.id);
  }

  async #onSession(session: Parameters<typeof sessionFields>[0], slot: EngineSlot): Promise<void> {
    const { ownerStore, selector, worker } = this.#options;
    this.#options.onStarted();
    await this.#publisher.write(sessionFields(session));
    if (selector.keyType === 'id') {
      await this.#publisher.quietly(ownerStore.rememberKind(selector.stream, session.acceptedAs));
    }
    this.#publisher.publish({ type: 'stream_started', owner: worker, engine: slot.engine.id });
    this.#publisher.announce();
  }

  #onStat(stat: EngineStat): void {
    this.#record.note(statFields(stat));
    this.#quality.heard(stat);
  }

  #onFault(end: EngineEnd, engine: string): void {
    const { logger, clock, onFault } = this.#options;
    logger.warn('engine fault', {
      engine,
      kind: end.kind,
      reason: end.reason,
      detail: end.message,
    });
    this.#record.note({ error_message: end.message, error_time: clock.now() });
    this.#story.fault(end, engine, this.#intake?.lastByteAt ?? null);
    onFault(end);
  }

  #onRenewed(answer: Extract<RenewAnswer, { outcome: 'renewed' }>): void {
    this.#writer.attach({ emptied: false });
    this.#story.renewed();
    if (answer.stopRequest !== null) {
      this.stop();
      return;
    }
    this.#idle.look(answer);
  }

  #finish(thrown: unknown): Promise<OwnerEnd> {
    this.#lease.stop();
    if (thrown instanceof OwnerAbort) return this.#ending.asked(thrown.end);
    // An end that cannot be written down is none: who plays waits for Redis, and for the next owner.
    if (this.#lease.doubtful && this.#options.feed.head > 0) {
      return this.#ending.stepDown('neither an engine nor Redis can be reached');
    }
    const error = toAppError(thrown);
    if (error.code === 'INTERNAL')
      this.#options.logger.error('the owner failed', { error: thrown });
    return this.#ending.end(error.message, false, error);
  }

  #pulse(): Metadata {
    const stats = this.#intake?.stats;
    return this.#record.set({
      ...this.#record.takeNoted(),
      ...ringFields(this.#options.feed.marks()),
      total_bytes: this.#bytes,
      splices: this.#splices,
      ...(stats && { bitrate: Math.round(stats.bitrate ?? 0), ...this.#quality.look(stats) }),
    });
  }
}
