import type { Clock } from '../../shared/clock.js';
import type { StreamId } from '../../shared/ids.js';
import type { Logger } from '../../shared/log/logger.js';
import type { ClientStore } from '../../shared/redis/client-store.js';
import { classifyRedisFailure, RedisFailure } from '../../shared/redis/failures.js';
import type { OwnerStore } from '../../shared/redis/owner-store.js';
import { stopSession } from '../engine/stop-session.js';
import { sessionFromFields } from '../owner/stream-record.js';

export interface OrphanSweeperOptions {
  readonly owners: OwnerStore;
  readonly clients: ClientStore;
  /** Streams that this worker owns: their dead clients are this worker's to drop. */
  readonly owned: () => readonly StreamId[];
  /** True for a stream that has players here: its session wins the lock, or follows. */
  readonly served: (stream: StreamId) => boolean;
  readonly releaseSlot: (lease: string) => Promise<void>;
  readonly cleanupMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The sweep for what events missed: leases of dead clients, streams whose owner died unwatched. */
export class OrphanSweeper {
  readonly #options: OrphanSweeperOptions;
  #timer: NodeJS.Timeout | undefined;
  #sweeping: Promise<void> | null = null;

  constructor(options: OrphanSweeperOptions) {
    this.#options = options;
  }

  start(): void {
    const { clock, cleanupMs } = this.#options;
    this.#timer = clock.setInterval(() => {
      this.#sweeping ??= this.#sweep().finally(() => {
        this.#sweeping = null;
      });
    }, cleanupMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#sweeping;
  }

  async #sweep(): Promise<void> {
    const { owners, clients, owned, clock, logger } = this.#options;
    try {
      for (const stream of owned()) await clients.reap(stream, clock.now());
      for (const stream of await owners.running()) await this.#look(stream);
    } catch (error) {
      const level = classifyRedisFailure(error) === RedisFailure.Defect ? 'error' : 'debug';
      logger[level]('the sweep was not finished', { error });
    }
  }

  async #look(stream: StreamId): Promise<void> {
    const { owners, clients, clock } = this.#options;
    const { owner, life } = await owners.readOwner(stream);
    if (owner !== null) return;
    if (life === null) {
      await owners.unlist(stream);
      return;
    }
    await clients.reap(stream, clock.now());
    // With clients it is a follower's to take over.
    if ((await owners.clientCount(stream)) === 0) await this.#end(stream);
  }

  /** Stops the engine session that a dead owner left and removes its keys (spec 3.5). */
  async #end(stream: StreamId): Promise<void> {
    const { owners, clock, logger, releaseSlot, served } = this.#options;
    // In one tick with the call: a session that begins later wins over us, with the higher term.
    if (served(stream)) return;
    const won = await owners.acquire(stream, 'id', clock.now());
    if (won.outcome !== 'won') return;
    // A viewer that has come meanwhile follows us, and would see its stream ended.
    const now = clock.now();
    const stop = { now, graceMs: 0, forced: false, idleSince: now };
    const answer = await owners.beginStop(won.ownership, stop);
    if (answer === 'lost') return;
    if (answer === 'watched') {
      const { term } = won.ownership;
      const event = { type: 'owner_changed', owner: '', term, reason: 'watched again' } as const;
      await owners.yieldLock(stream, event);
      return;
    }
    const fields = await owners.readMetadata(stream);
    const session = sessionFromFields(fields, { stream, keyType: 'id' });
    if (session !== null) await stopSession(session);
    if (fields['engine_lease']) await releaseSlot(fields['engine_lease']);
    await owners.end(won.ownership, { type: 'stream_stopped', reason: 'its owner died' });
    logger.warn('cleaned up a stream that nobody owned', { stream });
  }
}
