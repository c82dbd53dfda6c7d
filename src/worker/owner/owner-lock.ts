import type { Clock } from '../../shared/clock.js';
import type { Logger } from '../../shared/log/logger.js';
import { classifyRedisFailure, RedisFailure } from '../../shared/redis/failures.js';
import type {
  Metadata,
  OwnerStore,
  Ownership,
  RenewAnswer,
} from '../../shared/redis/owner-store.js';

export interface OwnerLockOptions {
  readonly ownership: Ownership;
  readonly store: OwnerStore;
  readonly lockMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** True while something waits for a renewal that succeeds. */
  readonly troubled: () => boolean;
  /** Fields that go into the metadata with each renewal. */
  readonly pulse: () => Metadata;
  /** The whole metadata, for a Redis that came back empty. */
  readonly wholeMetadata: () => Metadata;
  readonly onRenewed: (answer: Extract<RenewAnswer, { outcome: 'renewed' }>) => void;
  /** The lock could not be renewed in time by our own clock: feed nobody else (spec 3.5). */
  readonly onDoubt: () => void;
  /** Redis came back empty and the stream is ours again. */
  readonly onRestored: () => void;
  /** Somebody else owns the stream. */
  readonly onLost: () => void;
}

/** ms between renewals at most: the owner's numbers are as old, and what no event told it waits so long. */
const MAX_INTERVAL_MS = 1_000;
/** ms while Redis is in doubt or has not got every chunk: followers wait for the renewal that succeeds. */
const TROUBLED_INTERVAL_MS = 500;
/** Part of the lock's life that is left for the way to Redis and for clocks that run apart. */
const DRIFT = 0.1;

/** Keeps the lock: renews it, notices by its own clock when it may be lost, restores it. */
export class OwnerLock {
  readonly #options: OwnerLockOptions;
  readonly #intervalMs: number;
  #timer: NodeJS.Timeout | undefined;
  /** When the last renewal that succeeded was sent, and when the last one was. */
  #renewedAt: number;
  #triedAt: number;
  #stopped = false;
  #doubt = false;
  #busy = false;
  /** A hint came while a renewal was on its way, which may have read the census before. */
  #again = false;

  constructor(options: OwnerLockOptions) {
    this.#options = options;
    this.#intervalMs = Math.min(MAX_INTERVAL_MS, options.lockMs / 3);
    this.#renewedAt = options.clock.monotonic();
    this.#triedAt = this.#renewedAt;
  }

  /** True while nobody can say whether the lock is still ours. */
  get doubtful(): boolean {
    return this.#doubt;
  }

  start(): void {
    const beatMs = Math.min(TROUBLED_INTERVAL_MS, this.#intervalMs);
    this.#timer = this.#options.clock.setInterval(() => this.#beat(beatMs), beatMs);
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
  }

  /** Renews out of turn, when an event hints that the census has changed. */
  renewNow(): void {
    if (this.#busy) this.#again = true;
    this.#renewInTurn();
  }

  #renewInTurn(): void {
    this.#checkOwnClock();
    if (this.#busy || this.#stopped) return;
    this.#busy = true;
    this.#again = false;
    void this.#renew().finally(() => {
      this.#busy = false;
      if (this.#again) this.#renewInTurn();
    });
  }

  /** Timers are not exact: what is due before half a beat has passed is due now. */
  #beat(beatMs: number): void {
    const healthy = this.#renewedAt === this.#triedAt && !this.#options.troubled();
    const age = this.#options.clock.monotonic() - this.#triedAt;
    if (!healthy || age + beatMs / 2 >= this.#intervalMs) this.#renewInTurn();
    else this.#checkOwnClock();
  }

  async #renew(): Promise<void> {
    const { ownership, store, clock, pulse, logger } = this.#options;
    const sentAt = clock.monotonic();
    this.#triedAt = sentAt;
    try {
      const answer = await store.renew(ownership, pulse());
      if (this.#stopped) return;
      switch (answer.outcome) {
        case 'renewed':
          this.#held(sentAt);
          this.#options.onRenewed(answer);
          break;
        case 'gone':
          await this.#restore(sentAt);
          break;
        case 'lost':
          this.#lose();
      }
    } catch (error) {
      const defect = classifyRedisFailure(error) === RedisFailure.Defect;
      logger[defect ? 'error' : 'debug']('the owner lock could not be renewed', { error });
    }
  }

  async #restore(sentAt: number): Promise<void> {
    const { ownership, store, wholeMetadata, logger } = this.#options;
    const mine = await store.restore(ownership, wholeMetadata());
    if (this.#stopped) return;
    if (!mine) {
      this.#lose();
      return;
    }
    logger.warn('Redis came back empty: the stream is published again');
    this.#held(sentAt);
    this.#options.onRestored();
  }

  #held(sentAt: number): void {
    this.#renewedAt = sentAt;
    this.#doubt = false;
  }

  #lose(): void {
    this.stop();
    this.#options.onLost();
  }

  #checkOwnClock(): void {
    const age = this.#options.clock.monotonic() - this.#renewedAt;
    if (this.#doubt || age < this.#options.lockMs * (1 - DRIFT)) return;
    this.#doubt = true;
    this.#options.onDoubt();
  }
}
