import type { Clock } from '../../shared/clock.js';
import type { StreamId } from '../../shared/ids.js';
import type { Logger } from '../../shared/log/logger.js';
import type { EventBus } from '../../shared/redis/event-bus.js';
import type { Keys } from '../../shared/redis/keys.js';
import { REDIS_PATIENCE_MS } from '../../shared/redis/patience.js';
import type { RingStore } from '../../shared/redis/ring-store.js';
import type { ChunkFeed } from '../ring/chunk-feed.js';
import { RingReader } from '../ring/ring-reader.js';
import { decideTakeover, type OwnerSight } from './takeover-policy.js';

export interface FollowerOptions {
  readonly stream: StreamId;
  readonly keys: Keys;
  readonly bus: EventBus;
  readonly store: RingStore;
  readonly feed: ChunkFeed;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onRead: (chunks: number, bytes: number, at: number) => void;
  /** Nobody owns the stream: somebody with clients should win it. */
  readonly onOwnerless: () => void;
  /** Redis has not answered for so long that who waits for a beginning should be told. */
  readonly onAway: (error: unknown) => void;
  /** Redis does not know this stream's clients any more, or may not. */
  readonly onForgotten: () => void;
}

/** ms; notices are hints, so the keys are read at least this often (spec 1.4). */
const POLL_MS = 500;

/** Keeps a feed equal to the ring in Redis and watches that somebody owns the stream. */
export class FollowerLoop {
  readonly #options: FollowerOptions;
  readonly #reader: RingReader;
  #unsubscribe: (() => void) | null = null;
  #timer: NodeJS.Timeout | undefined;
  #sight: OwnerSight = { ownerlessSince: null, redisBackAt: null };
  /** Monotonic ms; `null` while Redis answers. */
  #awaySince: number | null = null;
  #polling = false;
  #stopped = false;

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#reader = new RingReader({
      stream: options.stream,
      store: options.store,
      feed: options.feed,
      logger: options.logger,
      onRead: options.onRead,
    });
  }

  start(): void {
    const { bus, keys, stream, clock } = this.#options;
    this.#unsubscribe = bus.subscribe(keys.stream(stream).notices, {
      onMessage: (text) => this.#reader.announce(text),
      // The head alone would not tell another ring of the same length.
      onResync: () => {
        this.#reader.resync();
        void this.#poll();
      },
    });
    this.#timer = clock.setInterval(() => void this.#poll(), POLL_MS);
    this.#reader.resync();
  }

  stop(): void {
    this.#stopped = true;
    this.#unsubscribe?.();
    clearInterval(this.#timer);
    this.#reader.stop();
  }

  async #poll(): Promise<void> {
    if (this.#polling || this.#stopped) return;
    this.#polling = true;
    try {
      const { head, owner } = await this.#options.store.head(this.#options.stream);
      if (!this.#isStopped()) this.#seen(head, owner);
    } catch (error) {
      this.#notSeen(error);
    } finally {
      this.#polling = false;
    }
  }

  #notSeen(error: unknown): void {
    const { clock, logger, onAway } = this.#options;
    logger.debug('the ring could not be polled', { error });
    const now = clock.monotonic();
    this.#awaySince ??= now;
    if (!this.#stopped && now - this.#awaySince >= REDIS_PATIENCE_MS) onAway(error);
  }

  #seen(head: number, owner: string | null): void {
    const { feed, clock, onOwnerless, onForgotten } = this.#options;
    const now = clock.monotonic();
    if (this.#awaySince !== null) {
      this.#awaySince = null;
      this.#sight = { ownerlessSince: null, redisBackAt: now };
      onForgotten();
    }
    if (head < feed.head) onForgotten();
    if (head !== feed.head) this.#reader.resync();
    this.#sight = {
      ...this.#sight,
      ownerlessSince: owner === null ? (this.#sight.ownerlessSince ?? now) : null,
    };
    if (decideTakeover(this.#sight, { now, ringLost: head < feed.head })) onOwnerless();
  }

  #isStopped(): boolean {
    return this.#stopped;
  }
}
