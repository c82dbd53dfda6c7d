import type { Clock } from '../../shared/clock.js';
import type { Logger } from '../../shared/log/logger.js';
import type { StreamEvent } from '../../shared/redis/events.js';
import { classifyRedisFailure, RedisFailure } from '../../shared/redis/failures.js';
import type { Metadata, OwnerStore, Ownership } from '../../shared/redis/owner-store.js';
import type { StreamRecord, StreamState } from './stream-record.js';

export interface StreamPublisherOptions {
  readonly ownership: Ownership;
  readonly store: OwnerStore;
  readonly record: StreamRecord;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Tells Redis and whoever listens what the owner does. Redis may be away at any of these steps: the
 * record keeps what was said, and the lease publishes it again.
 */
export class StreamPublisher {
  readonly #options: StreamPublisherOptions;

  constructor(options: StreamPublisherOptions) {
    this.#options = options;
  }

  /** Enters a state unless the stream is in it already. */
  enter(state: StreamState, more: Metadata = {}): void {
    const { store, ownership, record, clock } = this.#options;
    const fields = record.enter(state, clock.now(), more);
    if (fields !== null) void this.quietly(store.write(ownership, fields));
  }

  /** Writes fields of the metadata; resolves when Redis has them or is away. */
  async write(fields: Metadata): Promise<void> {
    const { store, ownership, record } = this.#options;
    await this.quietly(store.write(ownership, record.set(fields)));
  }

  /** Lists the stream among the running ones. */
  announce(): void {
    const { store, ownership, clock } = this.#options;
    void this.quietly(store.announce(ownership.stream, clock.now()));
  }

  publish(event: StreamEvent): void {
    const { store, ownership } = this.#options;
    void this.quietly(store.publish(ownership.stream, event));
  }

  async quietly(work: Promise<unknown>): Promise<void> {
    try {
      await work;
    } catch (error) {
      const defect = classifyRedisFailure(error) === RedisFailure.Defect;
      this.#options.logger[defect ? 'error' : 'debug']('the stream could not be written', {
        error,
      });
    }
  }
}
