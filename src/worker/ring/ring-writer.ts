import type { Logger } from '../../shared/log/logger.js';
import { classifyRedisFailure, RedisFailure } from '../../shared/redis/failures.js';
import type { Ownership } from '../../shared/redis/owner-store.js';
import type { RingStore } from '../../shared/redis/ring-store.js';
import type { Chunk, ChunkMark } from '../contracts.js';
import type { ChunkFeed } from './chunk-feed.js';
import { markOf, toWire } from './ring-marks.js';
import { encodeTables } from './tables-codec.js';

export const WriterState = {
  /** Every chunk goes to Redis as it is cut. */
  Online: 'online',
  /** Redis is away or the lock is in doubt: chunks stay in this worker's memory (spec 3.7). */
  Detached: 'detached',
  /** The term is over or the stream ends: nothing is written any more. */
  Closed: 'closed',
} as const;
export type WriterState = (typeof WriterState)[keyof typeof WriterState];

/** Bytes under way to Redis before it counts as away: two chunks of the greatest size and some. */
const MAX_IN_FLIGHT = 8 * 1_048_576;

export interface RingWriterOptions {
  readonly ownership: Ownership;
  readonly store: RingStore;
  readonly feed: ChunkFeed;
  readonly logger: Logger;
  readonly now: () => number;
  /** Redis refused a chunk: the lock ran out, is another's, or Redis came back empty. */
  readonly onRefused: () => void;
}

/** Publishes the owner's chunks, in order, and catches up from memory after an outage. */
export class RingWriter {
  readonly #options: RingWriterOptions;
  readonly #namedTables = new Set<string>();
  #state: WriterState = WriterState.Online;
  #inFlight = 0;
  #published: number;
  /** Marks that left the feed while they could not be removed from Redis. */
  #owedDrops: number[] = [];
  #pending: Promise<void> = Promise.resolve();

  constructor(options: RingWriterOptions) {
    this.#options = options;
    this.#published = options.feed.head;
  }

  get state(): WriterState {
    return this.#state;
  }

  /** Called once per chunk, right after the feed took it; `dropped` is what fell out of bounds. */
  write(chunk: Chunk, dropped: readonly ChunkMark[]): void {
    if (this.#state === WriterState.Closed) return;
    // What Redis never had needs no removal: an outage of hours must not pile them up.
    const published = dropped.filter(({ index }) => index <= this.#published);
    this.#owedDrops.push(...published.map(({ index }) => index));
    if (this.#state === WriterState.Detached) return;
    if (this.#inFlight > MAX_IN_FLIGHT) {
      this.detach('Redis takes chunks too slowly');
      return;
    }
    this.#send(chunk);
  }

  /** Stops publishing until `attach`; clients of this worker do not notice. */
  detach(reason: string): void {
    if (this.#state !== WriterState.Online) return;
    this.#state = WriterState.Detached;
    this.#options.logger.warn('the ring is fed from memory only', { reason });
  }

  /** Redis is back and the lock is held: publishes what memory still has, then goes on. */
  attach(options: { readonly emptied: boolean }): void {
    if (this.#state === WriterState.Closed) return;
    if (this.#state === WriterState.Online && !options.emptied) return;
    this.#state = WriterState.Online;
    if (options.emptied) {
      this.#published = 0;
      this.#owedDrops = [];
      this.#namedTables.clear();
    }
    const missing = this.#options.feed.inMemory().filter(({ index }) => index > this.#published);
    for (const chunk of missing) {
      if (this.state === WriterState.Online) this.#send(chunk);
    }
  }

  /** Resolves when nothing is under way any more. */
  async close(): Promise<void> {
    this.#state = WriterState.Closed;
    await this.#pending;
  }

  #send(chunk: Chunk): void {
    const { ownership, store, now } = this.#options;
    const tables = chunk.tables;
    const unnamed = tables !== null && !this.#namedTables.has(tables.name) ? tables : null;
    const drop = this.#owedDrops;
    this.#owedDrops = [];
    this.#inFlight += chunk.bytes.length;
    this.#published = chunk.index;
    if (unnamed !== null) this.#namedTables.add(unnamed.name);
    /** Redis has not got what went with the chunk. */
    const takeBack = (): void => {
      if (unnamed !== null) this.#namedTables.delete(unnamed.name);
      this.#owedDrops.push(...drop);
    };
    const sent = store
      .append(ownership.stream, {
        term: ownership.term,
        life: ownership.life,
        mark: toWire(markOf(chunk)),
        bytes: chunk.bytes,
        tables: unnamed && { name: unnamed.name, text: encodeTables(unnamed) },
        drop,
        now: now(),
      })
      .then(
        (accepted) => {
          if (accepted) return;
          takeBack();
          this.#refused(chunk);
        },
        (error: unknown) => {
          takeBack();
          this.#failed(chunk, error);
        },
      )
      .finally(() => {
        this.#inFlight -= chunk.bytes.length;
      });
    const before = this.#pending;
    this.#pending = sent.then(() => before);
  }

  /** Who owns the stream is for the lease to find out; until then nobody else is fed. */
  #refused(chunk: Chunk): void {
    this.#published = Math.min(this.#published, chunk.index - 1);
    if (this.#state !== WriterState.Online) return;
    this.detach('Redis refused a chunk of this term');
    this.#options.onRefused();
  }

  #failed(chunk: Chunk, error: unknown): void {
    this.#published = Math.min(this.#published, chunk.index - 1);
    switch (classifyRedisFailure(error)) {
      case RedisFailure.Away:
        this.detach('Redis is away');
        break;
      case RedisFailure.Refused:
        this.detach('Redis refuses this proxy');
        break;
      case RedisFailure.Full:
        this.#shed(chunk.bytes.length);
        break;
      case RedisFailure.Defect:
        this.#options.logger.error('a chunk could not be appended', { index: chunk.index, error });
        this.detach('a chunk could not be appended');
    }
  }

  /** Redis is full: the oldest chunks make room; deleting is allowed even then. */
  #shed(bytes: number): void {
    const { feed, ownership, store, logger } = this.#options;
    const marks = feed.shed(bytes * SHED_FACTOR);
    this.detach('Redis has no memory left');
    store
      .discard(
        ownership.stream,
        marks.map(({ index }) => index),
      )
      .catch((error: unknown) => logger.debug('chunks could not be removed', { error }));
  }
}

/** Frees more than one chunk at a time, so that a full Redis is not asked for each chunk again. */
const SHED_FACTOR = 8;
