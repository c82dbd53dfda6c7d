import type { Socket } from 'node:net';
import { sleep, type Clock } from '../../shared/clock.js';
import type { Settings } from '../../shared/config/settings.js';
import { AppError } from '../../shared/errors.js';
import type { ClientId, StreamId } from '../../shared/ids.js';
import type { PlayingSession } from '../../shared/ipc/messages.js';
import type { Logger } from '../../shared/log/logger.js';
import type { ClientStore } from '../../shared/redis/client-store.js';
import { classifyRedisFailure, RedisFailure, toRedisError } from '../../shared/redis/failures.js';
import { patiently } from '../../shared/redis/patience.js';
import { ClientSession, type ClientIdentity } from '../client/client-session.js';
import { behindHead, joinCursor } from '../client/ring-choice.js';
import type { ChunkFeed } from '../ring/chunk-feed.js';
import type { LeaseKeeper } from './lease-keeper.js';
import type { StreamMetrics } from './stream-metrics.js';
import { WaitingRoom } from './waiting-room.js';

export interface StreamClientsOptions {
  readonly stream: StreamId;
  readonly feed: ChunkFeed;
  readonly settings: Settings;
  readonly leases: LeaseKeeper;
  readonly store: ClientStore;
  readonly metrics: StreamMetrics;
  readonly clock: Clock;
  readonly logger: Logger;
  /** True when media comes without Redis: this worker owns the stream. */
  readonly playsHere: () => boolean;
  /** A client wants media: somebody must get it. Throws what the client is to be told otherwise. */
  readonly onWanted: () => void;
  /** A client is gone, one way or another. */
  readonly onLeft: () => void;
}

/** ms between looks at a stream that is being stopped. */
const STOPPING_POLL_MS = 50;

const NEVER = new AbortController().signal;

/** The clients of one stream in this worker: registered, waiting for media, admitted, playing. */
export class StreamClients {
  readonly #options: StreamClientsOptions;
  readonly #waiting = new WaitingRoom();
  /** Told that they can begin; their response head is being written. */
  readonly #admitted = new Set<ClientId>();
  readonly #playing = new Map<ClientId, ClientSession>();
  #registering = 0;

  constructor(options: StreamClientsOptions) {
    this.#options = options;
  }

  /** Clients that play. */
  get playing(): Iterable<ClientSession> {
    return this.#playing.values();
  }

  get count(): number {
    return this.#playing.size;
  }

  get any(): boolean {
    return this.#playing.size + this.#admitted.size + this.#waiting.size > 0;
  }

  /** True while a client is on its way into the set in Redis. */
  get registering(): boolean {
    return this.#registering > 0;
  }

  /**
   * Registers a client and resolves when there is media to begin with. Throws what the client is to
   * be told. The client is taken out again when `signal` aborts.
   */
  async admit(identity: ClientIdentity, signal: AbortSignal): Promise<void> {
    await this.#registerOrLeave(identity, signal, false);
    try {
      signal.throwIfAborted();
      const ready = this.#waiting.wait(identity.client, signal);
      try {
        this.#options.onWanted();
      } catch (refusal) {
        this.#waiting.reject(identity.client, refusal as Error);
      }
      this.#admitWhoCanJoin();
      await ready;
      this.#admitted.add(identity.client);
    } catch (thrown) {
      this.abandon(identity);
      throw thrown;
    }
  }

  /** Takes an admitted client out again that will not play. */
  abandon(identity: ClientIdentity): void {
    this.#admitted.delete(identity.client);
    this.#options.leases.leave(identity);
    this.#options.onLeft();
  }

  /** Begins to write to an admitted client's socket, whose response head is written. */
  play(identity: ClientIdentity, socket: Socket): ClientSession {
    const client = this.#makeClient(identity, socket);
    void client.join();
    return client;
  }

  /**
   * Goes on with a client that another worker served; its place in the set is taken over, also to be
   * given back at once where the player has left on the way (`null`, or a socket that is closed).
   */
  async adopt(playing: PlayingSession, socket: Socket | null, torn: boolean): Promise<void> {
    await this.#registerOrLeave(playing, NEVER, true);
    if (socket === null || socket.destroyed) {
      this.abandon(playing);
      return;
    }
    try {
      this.#options.onWanted();
    } catch (refusal) {
      this.abandon(playing);
      throw refusal;
    }
    const client = this.#makeClient(playing, socket);
    client.resume(playing, torn);
    this.#options.metrics.adopted();
  }

  find(client: ClientId): ClientSession | null {
    return this.#playing.get(client) ?? null;
  }

  /** Writes to everybody what can be written; called on every change of the ring. */
  pump(): void {
    for (const client of this.#playing.values()) client.pump();
    this.#admitWhoCanJoin();
  }

  /** Called a few times a second: fillers, ghosts. */
  tick(keepalive: boolean): void {
    for (const client of this.#playing.values()) client.tick(keepalive);
  }

  /** Tells who waits that there will be no media. */
  refuse(reason: Error): void {
    this.#waiting.rejectAll(reason);
  }

  /** Ends everybody: with FIN who plays, with `refusal` who waits. */
  close(reason: string, refusal: Error): void {
    this.refuse(refusal);
    for (const client of this.#playing.values()) client.close(reason);
  }

  /** Forgets a client that another worker serves now, or that could not be handed over. */
  release(identity: ClientIdentity, handedOver: boolean): void {
    this.#playing.delete(identity.client);
    if (handedOver) this.#options.leases.release(identity.client);
    else this.#options.leases.leave(identity);
  }

  #makeClient(identity: ClientIdentity, socket: Socket): ClientSession {
    const { settings, clock, leases, metrics, feed, store } = this.#options;
    const client = new ClientSession({
      identity,
      socket,
      source: feed,
      clock,
      joinBehindMs: settings.joinBehindMs,
      ghostMs: settings.ghostMs,
      onClosed: (closed, reason) => this.#onClientClosed(closed, reason),
      onSkip: () => metrics.skip(),
      onGap: () => metrics.gap(),
      onSent: (bytes) => metrics.sent(bytes),
    });
    this.#playing.set(identity.client, client);
    this.#admitted.delete(identity.client);
    leases.watch(identity.client, () => ({
      bytes: client.bytesSent,
      chunks: client.chunksSent,
      skips: client.skips,
      stalledMs: client.stalledMs,
      behindMs: client.position && behindHead(feed.marks(), client.position),
    }));
    void store.announce(identity.stream, identity.client).catch(() => undefined);
    return client;
  }

  #onClientClosed(client: ClientSession, reason: string): void {
    const { identity } = client;
    this.#playing.delete(identity.client);
    const { leases, metrics, logger, onLeft } = this.#options;
    leases.leave(identity);
    metrics.clientClosed(reason);
    logger.info('client left', {
      client: identity.client,
      ...(identity.user && { user: identity.user }),
      reason,
      bytes: client.bytesSent,
      skips: client.skips,
    });
    onLeft();
  }

  /** A stream that got no client closes again; one that gets this client must not meanwhile. */
  async #registerOrLeave(
    identity: ClientIdentity,
    signal: AbortSignal,
    plays: boolean,
  ): Promise<void> {
    this.#registering++;
    try {
      await this.#register(identity, signal, plays);
      this.#registering--;
    } catch (thrown) {
      this.#registering--;
      this.#options.onLeft();
      throw thrown;
    }
  }

  /** Waits out a stop in progress: the client then gets the stream's next life (spec 3.6). */
  async #register(identity: ClientIdentity, signal: AbortSignal, plays: boolean): Promise<void> {
    const { leases, clock, settings } = this.#options;
    const deadline = clock.monotonic() + settings.ownerLockTtlMs + settings.connectionTimeoutMs;
    while (!(await this.#join(identity, signal, plays))) {
      try {
        if (clock.monotonic() > deadline) throw new AppError('STREAM_STOPPING');
        await sleep(clock, STOPPING_POLL_MS, signal);
      } catch (thrown) {
        // It may count against the limit of all clients already.
        leases.leave(identity);
        throw thrown;
      }
    }
  }

  /** False while the stream is being stopped. What plays goes on without Redis, also for one client more. */
  async #join(identity: ClientIdentity, signal: AbortSignal, plays: boolean): Promise<boolean> {
    const { leases, clock } = this.#options;
    const join = (): Promise<{ joined: boolean }> => leases.join(identity);
    try {
      const waits = !plays && !this.#playsWithoutRedis();
      return (await (waits ? patiently(clock, join, signal) : join())).joined;
    } catch (thrown) {
      const failure = classifyRedisFailure(thrown);
      const unanswered = failure !== RedisFailure.Defect && !signal.aborted;
      if (plays || (unanswered && this.#playsWithoutRedis())) {
        leases.hold(identity);
        return true;
      }
      // Redis may have done it all the same.
      if (failure === RedisFailure.Away || signal.aborted) leases.leave(identity);
      throw toRedisError(thrown);
    }
  }

  #playsWithoutRedis(): boolean {
    const { playsHere, feed } = this.#options;
    return playsHere() && joinCursor(feed.marks(), 0) !== null;
  }

  #admitWhoCanJoin(): void {
    if (this.#waiting.size > 0 && joinCursor(this.#options.feed.marks(), 0) !== null) {
      this.#waiting.admitAll();
    }
  }
}
