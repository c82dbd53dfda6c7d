import type { Clock } from '../../shared/clock.js';
import type { Logger } from '../../shared/log/logger.js';
import type { OwnerStore, Ownership, RenewAnswer } from '../../shared/redis/owner-store.js';
import { decideIdle } from './idle-policy.js';
import type { StreamPublisher } from './stream-publisher.js';
import { StreamState, type StreamRecord } from './stream-record.js';

export interface IdleWatchOptions {
  readonly ownership: Ownership;
  readonly store: OwnerStore;
  readonly record: StreamRecord;
  readonly publisher: StreamPublisher;
  readonly graceMs: number;
  /** Clients of this worker, which Redis may have forgotten (FLUSHALL). */
  readonly localClients: () => number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The grace period is over by then: renew, and look again. */
  readonly onDue: () => void;
  /** The stop has begun in Redis, or the stream turned out to be somebody else's. */
  readonly onDecided: (outcome: 'idle' | 'lost') => void;
}

/** Watches how many clients there are, and stops the stream when the grace period is over. */
export class IdleWatch {
  readonly #options: IdleWatchOptions;
  #clients = 0;
  #idleSince: number | null = null;
  #graceTimer: NodeJS.Timeout | undefined;

  constructor(options: IdleWatchOptions) {
    this.#options = options;
  }

  /** True while anybody is known to watch. */
  get watched(): boolean {
    return this.#clients > 0 || this.#options.localClients() > 0;
  }

  /** True since a renewal told that nobody watches, until one tells otherwise. */
  get idle(): boolean {
    return this.#idleSince !== null && !this.watched;
  }

  /** What the last renewal told. */
  look(answer: Extract<RenewAnswer, { outcome: 'renewed' }>): void {
    const { clock, graceMs, localClients, onDue } = this.#options;
    this.#clients = answer.clients;
    const now = clock.now();
    this.#idleSince = this.watched ? null : (this.#idleSince ?? now);
    this.#followState();
    const census = {
      clients: answer.clients,
      lastDisconnect: answer.lastDisconnect,
      localClients: localClients(),
      idleSince: this.#idleSince,
    };
    const decision = decideIdle(census, now, graceMs);
    clearTimeout(this.#graceTimer);
    if (decision.action === 'stop') void this.#tryStop();
    else if (decision.action === 'wait') {
      // Not at the next renewal: the keys have to be gone a second after the grace period.
      this.#graceTimer = clock.setTimeout(onDue, Math.ceil(decision.ms));
    }
  }

  stop(): void {
    clearTimeout(this.#graceTimer);
  }

  #followState(): void {
    const { record, publisher } = this.#options;
    const { Active, WaitingForClients } = StreamState;
    if (record.state === Active && !this.watched) publisher.enter(WaitingForClients);
    else if (record.state === WaitingForClients && this.watched) publisher.enter(Active);
  }

  async #tryStop(): Promise<void> {
    const { store, ownership, graceMs, clock, logger, onDecided } = this.#options;
    try {
      const answer = await store.beginStop(ownership, {
        now: clock.now(),
        graceMs,
        forced: false,
        idleSince: this.#idleSince,
      });
      if (answer !== 'watched') onDecided(answer === 'begun' ? 'idle' : 'lost');
    } catch (error) {
      logger.debug('the stop could not be decided', { error });
    }
  }
}
