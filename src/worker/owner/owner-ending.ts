import type { Socket } from 'node:net';
import type { Clock } from '../../shared/clock.js';
import type { Settings } from '../../shared/config/settings.js';
import type { AppError } from '../../shared/errors.js';
import { endedStreamView } from '../../shared/inspect/stream-view.js';
import type { WorkerId } from '../../shared/ids.js';
import type { Logger } from '../../shared/log/logger.js';
import type { OwnerStore, Ownership } from '../../shared/redis/owner-store.js';
import type { Continuation } from '../engine/ts-chunker.js';
import type { RingWriter } from '../ring/ring-writer.js';
import type { EngineRunner } from './engine-runner.js';
import type { StreamPublisher } from './stream-publisher.js';
import { StreamState, type StreamRecord } from './stream-record.js';
import type { StreamStory } from './stream-story.js';

/** How an ownership ended. */
export type OwnerEnd =
  /** The stream is over and its keys are gone; `error` tells why when it was not the last viewer. */
  | { readonly outcome: 'ended'; readonly error: AppError | null }
  /** Another worker owns the stream: follow it. */
  | { readonly outcome: 'lost' }
  /** Given back on purpose (drain): somebody else goes on. */
  | { readonly outcome: 'yielded' };

export interface OwnerEndingOptions {
  readonly ownership: Ownership;
  readonly store: OwnerStore;
  readonly settings: Settings;
  readonly record: StreamRecord;
  readonly publisher: StreamPublisher;
  readonly runner: EngineRunner;
  readonly writer: RingWriter;
  readonly story: StreamStory;
  /** Called while the stop still keeps new viewers out: all there are belong to the life that ends. */
  readonly onEnding: (error: AppError | null) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** An engine's connection on its way to another worker. */
export interface StreamMove {
  readonly target: WorkerId;
  readonly socket: Socket;
  /** What was read and is not yet in the ring, and the tables that hold there. */
  readonly left: Continuation;
  readonly give: (socket: Socket) => Promise<void>;
}

/** Thrown through the runner to end it; never seen outside. */
export class OwnerAbort extends Error {
  readonly end: 'idle' | 'asked' | 'lost' | 'yield' | 'unwatched' | 'shutdown' | StreamMove;

  constructor(end: OwnerAbort['end']) {
    super('the ownership ends');
    this.end = end;
  }
}

/** ms that the engine's stop may delay the removal of the keys (spec 2.4: gone within a second). */
const STOP_PATIENCE_MS = 700;
/** Part of the shutdown timeout in which viewers of sibling workers may still leave. */
const SHUTDOWN_SHARE = 0.3;
const SHUTDOWN_POLL_MS = 50;
/** Lines of the story that an ended stream is remembered with. */
const STORY_REMEMBERED = 12;

/** The ways an ownership ends. Every step has a deadline; Redis and the engine may both be away. */
export class OwnerEnding {
  readonly #options: OwnerEndingOptions;

  constructor(options: OwnerEndingOptions) {
    this.#options = options;
  }

  /** Ends in the way that was asked for. */
  asked(end: OwnerAbort['end']): Promise<OwnerEnd> {
    if (typeof end === 'object') return this.handOver(end);
    switch (end) {
      case 'lost':
        return this.stepDown();
      case 'yield':
        return this.yield();
      case 'unwatched':
        return this.endOrYield('no viewers', 0);
      case 'shutdown':
        return this.endOrYield('the proxy shuts down', SHUTDOWN_SHARE);
      case 'idle':
        return this.end('no viewers', true);
      case 'asked':
        return this.end('asked to stop', false);
    }
  }

  /** Takes the stream down: state, engine, keys, in this order. `begun`: Redis knows of the stop. */
  async end(reason: string, begun: boolean, error: AppError | null = null): Promise<OwnerEnd> {
    const { ownership, store, settings, clock, publisher, runner, writer, story } = this.#options;
    publisher.enter(error === null ? StreamState.Stopping : StreamState.Error, {
      ...(error && { error_message: describe(error), error_time: clock.now() }),
    });
    void story.ending(error === null ? reason : describe(error));
    if (error?.code === 'CONTENT_NOT_FOUND') {
      await publisher.quietly(store.rememberRefusal(ownership.stream, describe(error)));
    }
    if (!begun) {
      const now = clock.now();
      const options = { now, graceMs: settings.graceMs, forced: true, idleSince: null };
      await publisher.quietly(store.beginStop(ownership, options));
    }
    const closed = runner.close({ keepSession: false });
    await Promise.race([closed, delay(clock, STOP_PATIENCE_MS)]);
    await writer.close();
    this.#options.onEnding(error);
    await publisher.quietly(
      store.end(ownership, {
        type: 'stream_stopped',
        reason,
        ...(error && { code: error.code, detail: describe(error) }),
      }),
    );
    await publisher.quietly(this.#remember());
    await closed;
    return { outcome: 'ended', error };
  }

  /**
   * Stops the stream unless somebody watches it: siblings' viewers leave now, others' stay. `share`: part of
   * the shutdown timeout that they get.
   */
  async endOrYield(reason: string, share: number): Promise<OwnerEnd> {
    const { store, ownership, settings, clock } = this.#options;
    const deadline = clock.monotonic() + settings.shutdownTimeoutMs * share;
    for (;;) {
      const now = clock.now();
      const options = { now, graceMs: 0, forced: false, idleSince: now };
      const answer = await store.beginStop(ownership, options).catch(() => 'away' as const);
      if (answer === 'lost') return this.stepDown();
      if (answer !== 'watched') return this.end(reason, answer === 'begun');
      if (clock.monotonic() >= deadline) return this.yield();
      await delay(clock, SHUTDOWN_POLL_MS);
    }
  }

  /** Another worker has won: it cares for the session it knows of; one it cannot know is stopped. */
  async stepDown(why = 'another worker owns the stream now'): Promise<OwnerEnd> {
    const { logger, store, ownership, writer, runner } = this.#options;
    logger.warn(why);
    await writer.close();
    const mine = runner.session?.playbackSessionId ?? '';
    await runner.close({ keepSession: true });
    const fields = await store.readMetadata(ownership.stream).catch(() => null);
    const known = [fields?.['playback_session_id'], fields?.['previous_session_id']];
    await runner.close({ keepSession: fields === null || known.includes(mine) });
    return { outcome: 'lost' };
  }

  /** Gives the stream and its engine's connection to one certain worker (spec 3.8). */
  async handOver(move: StreamMove): Promise<OwnerEnd> {
    const { store, ownership, writer, runner, logger } = this.#options;
    const { target, socket, left, give } = move;
    await writer.close();
    try {
      const { rest, tables } = left;
      if (!(await store.transfer(ownership, target, { rest, tables: tables.name }))) {
        socket.destroy();
        return await this.stepDown();
      }
    } catch (error) {
      logger.warn('the stream could not be handed over', { error });
      socket.destroy();
      return this.yield();
    }
    await give(socket);
    // The slot is the next owner's: it frees this reservation when it has its own.
    runner.forget();
    return { outcome: 'yielded' };
  }

  /** Gives the lock back; the engine session goes on with whoever wins it. */
  async yield(): Promise<OwnerEnd> {
    const { store, ownership, writer, runner, publisher } = this.#options;
    await writer.close();
    await runner.close({ keepSession: true });
    const { stream, term } = ownership;
    await publisher.quietly(
      store.yieldLock(stream, { type: 'owner_changed', owner: '', term, reason: 'handed over' }),
    );
    return { outcome: 'yielded' };
  }

  async #remember(): Promise<void> {
    const { store, ownership, record, story, clock } = this.#options;
    const { stream } = ownership;
    const facts = { stream, metadata: record.asText(), owner: null, clients: 0 };
    const entry = { ...endedStreamView(facts, clock.now()), story: story.recent(STORY_REMEMBERED) };
    await store.remember(JSON.stringify(entry));
  }
}

/** What an engine said, where it said something; else the catalogue's words. */
function describe(error: AppError): string {
  const { reason } = error.details;
  return typeof reason === 'string' ? reason : error.message;
}

function delay(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.setTimeout(resolve, ms).unref());
}
