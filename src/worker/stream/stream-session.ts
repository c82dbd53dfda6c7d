import type { Socket } from 'node:net';
import { sleep, type Clock } from '../../shared/clock.js';
import type { Settings } from '../../shared/config/settings.js';
import { AppError, ERRORS, type ErrorCode } from '../../shared/errors.js';
import type { ClientId, KeyType, StreamId } from '../../shared/ids.js';
import type { PlayingSession } from '../../shared/ipc/messages.js';
import type { Logger } from '../../shared/log/logger.js';
import type { ClientStore } from '../../shared/redis/client-store.js';
import type { EventBus } from '../../shared/redis/event-bus.js';
import { parseStreamEvent, type StreamEvent } from '../../shared/redis/events.js';
import { classifyRedisFailure, RedisFailure, toRedisError } from '../../shared/redis/failures.js';
import type { Keys } from '../../shared/redis/keys.js';
import type { OwnerStore, Ownership } from '../../shared/redis/owner-store.js';
import type { RingStore } from '../../shared/redis/ring-store.js';
import { ClientSession, type ClientIdentity } from '../client/client-session.js';
import { behindHead, joinCursor } from '../client/ring-choice.js';
import { FollowerLoop } from '../follower/follower-loop.js';
import type { MovableReader } from '../contracts.js';
import type { OwnerLoop } from '../owner/owner-loop.js';
import { ChunkFeed } from '../ring/chunk-feed.js';
import type { LeaseKeeper } from './lease-keeper.js';
import type { StreamMetrics } from './stream-metrics.js';
import type { StreamMover } from './stream-mover.js';
import { MovedError, WaitingRoom } from './waiting-room.js';

/** What this worker is to the stream. */
export const Role = {
  /** No viewers, or between two roles. */
  None: 'none',
  Owner: 'owner',
  Follower: 'follower',
  /** Nothing more happens: a new session is made for the next viewer. */
  Closed: 'closed',
} as const;
export type Role = (typeof Role)[keyof typeof Role];

export interface StreamDeps {
  readonly settings: Settings;
  readonly keys: Keys;
  readonly bus: EventBus;
  readonly clients: ClientStore;
  readonly owners: OwnerStore;
  readonly ring: RingStore;
  readonly leases: LeaseKeeper;
  readonly metrics: StreamMetrics;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Makes the owner's loop for a stream that this worker has just won. */
  readonly makeOwner: (
    session: StreamSession,
    ownership: Ownership,
    handedOver: MovableReader | null,
  ) => Promise<OwnerLoop>;
  /** The way of a stream's engine connection to a sibling. */
  readonly mover: StreamMover;
  readonly onOwning: (stream: StreamId, term: number) => void;
  readonly onReleased: (stream: StreamId) => void;
  readonly onClosed: (session: StreamSession) => void;
}

/** Memory for chunks per stream and worker, besides what Redis holds (spec 5: 8 MB per stream). */
const MEMORY_BYTES = 8 * 1_048_576;
/** ms between looks at a stream that is being stopped. */
const STOPPING_POLL_MS = 50;
/** ms between tries to win a stream while Redis is away. */
const RETRY_MS = 250;

/**
 * One stream in one worker: its viewers, and the role by which the worker gets the bytes. It is the
 * only writer of both. `#live` runs while there are viewers: it races for the lock, then owns or
 * follows, and begins again when the role ends.
 */
export class StreamSession {
  readonly stream: StreamId;
  readonly keyType: KeyType;
  readonly feed: ChunkFeed;
  readonly logger: Logger;
  readonly #deps: StreamDeps;
  readonly #waiting = new WaitingRoom();
  /** Told that they can begin; their response head is being written. */
  readonly #admitted = new Set<ClientId>();
  readonly #playing = new Map<ClientId, ClientSession>();
  readonly #unsubscribe: () => void;
  #role: Role = Role.None;
  #owner: OwnerLoop | null = null;
  #stopFollowing: ((event: FollowEnd) => void) | null = null;
  #registering = 0;
  /** Another worker has put the lock into this worker's name; with the engine's connection or not. */
  #expected: { readonly reader: MovableReader | null } | null = null;
  #living: Promise<void> | null = null;
  /** Set by a drain: how it ends an ownership, also one that is won in its last moment. */
  #draining: ((owner: OwnerLoop) => void) | null = null;

  constructor(stream: StreamId, keyType: KeyType, deps: StreamDeps) {
    this.stream = stream;
    this.keyType = keyType;
    this.#deps = deps;
    this.logger = deps.logger.child({ stream });
    const { settings, clock, bus, keys, ring } = deps;
    this.feed = new ChunkFeed({
      bounds: { maxBytes: settings.bufferMaxBytes, ttlMs: settings.bufferTtlMs },
      memoryBytes: Math.min(MEMORY_BYTES, settings.bufferMaxBytes),
      read: (indices) => ring.read(stream, indices),
      now: () => clock.now(),
    });
    this.feed.onChange(() => this.#onFeedChange());
    this.#unsubscribe = bus.subscribe(keys.stream(stream).events, {
      onMessage: (text) => {
        const event = parseStreamEvent(text);
        if (event !== null) this.#onEvent(event);
      },
      onResync: () => void deps.leases.pulseNow(),
    });
  }

  get role(): Role {
    return this.#role;
  }

  get clientCount(): number {
    return this.#playing.size;
  }

  get clients(): Iterable<ClientSession> {
    return this.#playing.values();
  }

  get closed(): boolean {
    return this.#role === Role.Closed;
  }

  /**
   * Registers a viewer and resolves when there is media to begin with. Throws what the viewer is to
   * be told. The viewer is taken out again when `signal` aborts.
   */
  async admit(identity: ClientIdentity, signal: AbortSignal): Promise<void> {
    await this.#registerOrClose(identity, signal, false);
    try {
      signal.throwIfAborted();
      if (this.#draining !== null) throw new AppError('SHUTTING_DOWN');
      const ready = this.#waiting.wait(identity.client, signal);
      this.#ensureLiving();
      this.#admitWhoCanJoin();
      await ready;
      this.#admitted.add(identity.client);
    } catch (thrown) {
      this.abandon(identity);
      throw thrown;
    }
  }

  /** Takes an admitted viewer out again that will not play. */
  abandon(identity: ClientIdentity): void {
    this.#admitted.delete(identity.client);
    this.#deps.leases.leave(identity);
    this.#owner?.lookAtCensus();
    this.#closeWhenIdle();
  }

  /** Begins to write to an admitted viewer's socket, whose response head is written. */
  play(identity: ClientIdentity, socket: Socket): ClientSession {
    const client = this.#makeClient(identity, socket);
    void client.join();
    return client;
  }

  /** Goes on with a client that another worker served; its place in the set is taken over. */
  async adopt(playing: PlayingSession, socket: Socket, torn: boolean): Promise<ClientSession> {
    const identity: ClientIdentity = playing;
    await this.#registerOrClose(identity, NEVER, true);
    const client = this.#makeClient(identity, socket);
    this.#ensureLiving();
    client.resume(playing, torn);
    return client;
  }

  find(client: ClientId): ClientSession | null {
    return this.#playing.get(client) ?? null;
  }

  /** Called a few times a second: fillers, ghosts. */
  tick(keepalive: boolean): void {
    for (const client of this.#playing.values()) client.tick(keepalive);
  }

  /** Ends every client here; the owner then stops the stream or leaves it to other hosts. */
  async shutdown(): Promise<void> {
    this.#draining = (owner) => owner.shutdown();
    this.#waiting.rejectAll(new AppError('SHUTTING_DOWN'));
    for (const client of this.#playing.values()) client.close('shutdown');
    this.#stopFollowing?.({ kind: 'drained' });
    this.#owner?.shutdown();
    await this.#living;
    this.#enterClosed();
  }

  /** Hands every client to `give`, then the stream itself to a sibling. */
  async handOver(give: (client: ClientSession) => Promise<void>): Promise<void> {
    this.#draining = (owner) => owner.yield();
    this.#waiting.rejectAll(new MovedError());
    await Promise.all([...this.#playing.values()].map(give));
    this.#stopFollowing?.({ kind: 'drained' });
    if (this.#owner !== null) await this.#giveAway(this.#owner);
    await this.#living;
    this.#enterClosed();
  }

  /** Owns the stream next: another worker hands its engine's connection over (`null`: it got lost). */
  take(reader: MovableReader | null): void {
    this.#expected = { reader };
    this.#stopFollowing?.({ kind: 'ownerless' });
    this.#ensureLiving();
  }

  /** Forgets a client that another worker serves now, or that could not be handed over. */
  release(identity: ClientIdentity, handedOver: boolean): void {
    this.#playing.delete(identity.client);
    if (handedOver) this.#deps.leases.release(identity.client);
    else this.#deps.leases.leave(identity);
  }

  async #giveAway(owner: OwnerLoop): Promise<void> {
    const { mover } = this.#deps;
    const target = await mover.target(this.stream);
    if (target === null) owner.yield();
    else owner.handOver(target, (socket, term) => mover.give(this.stream, term, target, socket));
  }

  #makeClient(identity: ClientIdentity, socket: Socket): ClientSession {
    const { settings, clock, leases, metrics, clients: store } = this.#deps;
    const client = new ClientSession({
      identity,
      socket,
      source: this.feed,
      clock,
      joinBehindMs: settings.joinBehindMs,
      ghostMs: settings.ghostMs,
      onClosed: (closed, reason) => this.#onClientClosed(closed, reason),
      onSkip: () => metrics.skip(),
    });
    this.#playing.set(identity.client, client);
    this.#admitted.delete(identity.client);
    leases.watch(identity.client, () => ({
      bytes: client.bytesSent,
      chunks: client.chunksSent,
      skips: client.skips,
      behindMs: client.position && behindHead(this.feed.marks(), client.position),
    }));
    void store.announce(identity.stream, identity.client).catch(() => undefined);
    return client;
  }

  #onClientClosed(client: ClientSession, reason: string): void {
    const { identity } = client;
    this.#playing.delete(identity.client);
    this.#deps.leases.leave(identity);
    this.#deps.metrics.clientClosed(reason, client.bytesSent);
    this.logger.info('client left', {
      client: identity.client,
      reason,
      bytes: client.bytesSent,
      skips: client.skips,
    });
    this.#owner?.lookAtCensus();
    this.#closeWhenIdle();
  }

  /** A session that got no viewer closes again; one that gets this viewer must not meanwhile. */
  async #registerOrClose(
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
      this.#closeWhenIdle();
      throw thrown;
    }
  }

  /** Waits out a stop in progress: the viewer then gets the stream's next life (spec 3.6). */
  async #register(identity: ClientIdentity, signal: AbortSignal, plays: boolean): Promise<void> {
    const { leases, clock, settings } = this.#deps;
    const deadline = clock.monotonic() + settings.ownerLockTtlMs + settings.connectionTimeoutMs;
    for (;;) {
      try {
        if ((await leases.join(identity)).joined) return;
      } catch (thrown) {
        if (!plays && !this.#servesWithoutRedis(thrown)) {
          // Redis may have done it all the same.
          if (classifyRedisFailure(thrown) === RedisFailure.Away) leases.leave(identity);
          throw toRedisError(thrown);
        }
        leases.hold(identity);
        return;
      }
      if (clock.monotonic() > deadline) throw new AppError('STREAM_STOPPING');
      await sleep(clock, STOPPING_POLL_MS, signal);
    }
  }

  /** A stream that plays here goes on without Redis, also for one more viewer (spec 3.7). */
  #servesWithoutRedis(thrown: unknown): boolean {
    const away = classifyRedisFailure(thrown) !== RedisFailure.Defect;
    return away && this.#role === Role.Owner && joinCursor(this.feed.marks(), 0) !== null;
  }

  #ensureLiving(): void {
    this.#living ??= this.#live().finally(() => {
      this.#living = null;
      this.#role = this.closed ? Role.Closed : Role.None;
      if (this.#hasViewers() && this.#draining === null) this.#ensureLiving();
      else this.#closeWhenIdle();
    });
  }

  async #live(): Promise<void> {
    const { owners, clock } = this.#deps;
    while ((this.#hasViewers() || this.#expected !== null) && this.#draining === null) {
      try {
        const answer = await owners.acquire(this.stream, this.keyType, clock.now());
        if (answer.outcome === 'won') await this.#own(answer.ownership);
        else if (answer.outcome === 'taken') {
          this.#forgetExpected();
          await this.#follow();
        } else await sleep(clock, STOPPING_POLL_MS);
      } catch (thrown) {
        if (this.#waiting.size > 0) this.#waiting.rejectAll(toRedisError(thrown));
        this.logger.warn('no role could be taken', { error: thrown });
        await sleep(clock, RETRY_MS);
      }
    }
  }

  /** The lock is somebody else's all the same: the connection that came for us is of no use. */
  #forgetExpected(): void {
    void this.#expected?.reader?.close();
    this.#expected = null;
  }

  async #own(ownership: Ownership): Promise<void> {
    const { metrics, onOwning, onReleased } = this.#deps;
    this.#role = Role.Owner;
    onOwning(this.stream, ownership.term);
    metrics.ownership();
    this.logger.info('owner', { term: ownership.term });
    try {
      const owner = await this.#makeOwner(ownership);
      this.#owner = owner;
      this.#draining?.(owner);
      await owner.run();
    } finally {
      this.#owner = null;
      this.#role = Role.None;
      onReleased(this.stream);
    }
  }

  /** A lock that cannot be used is given back, or the next try would wait for it to run out. */
  async #makeOwner(ownership: Ownership): Promise<OwnerLoop> {
    const { makeOwner, owners } = this.#deps;
    try {
      const reader = this.#expected?.reader ?? null;
      this.#expected = null;
      return await makeOwner(this, ownership, reader);
    } catch (thrown) {
      const { term } = ownership;
      const event = { type: 'owner_changed', owner: '', term, reason: 'no start' } as const;
      await owners.yieldLock(this.stream, event).catch(() => undefined);
      throw thrown;
    }
  }

  async #follow(): Promise<void> {
    const { keys, bus, ring, clock, metrics, leases } = this.#deps;
    this.#role = Role.Follower;
    this.logger.info('follower');
    const ended = new Promise<FollowEnd>((resolve) => {
      this.#stopFollowing = resolve;
    });
    const loop = new FollowerLoop({
      stream: this.stream,
      keys,
      bus,
      store: ring,
      feed: this.feed,
      clock,
      logger: this.logger,
      onRead: (chunks, bytes) => metrics.read(chunks, bytes),
      onOwnerless: () => this.#stopFollowing?.({ kind: 'ownerless' }),
      onForgotten: () => void leases.pulseNow(),
    });
    loop.start();
    if (!this.#hasViewers()) this.#stopFollowing?.({ kind: 'unwatched' });
    const end = await ended;
    this.#stopFollowing = null;
    loop.stop();
    this.#role = Role.None;
    if (end.kind === 'stopped') this.end(end.error);
  }

  /** The stream's life is over: who waits is told why, who plays is ended with FIN. */
  end(error: AppError | null): void {
    this.#waiting.rejectAll(error ?? new AppError('STREAM_STOPPING'));
    for (const client of this.#playing.values()) client.close(error?.code ?? 'stopped');
    this.feed.reset();
  }

  #onFeedChange(): void {
    for (const client of this.#playing.values()) client.pump();
    this.#admitWhoCanJoin();
  }

  #admitWhoCanJoin(): void {
    if (this.#waiting.size > 0 && joinCursor(this.feed.marks(), 0) !== null) {
      this.#waiting.admitAll();
    }
  }

  #onEvent(event: StreamEvent): void {
    switch (event.type) {
      case 'client_stop':
        this.#playing.get(event.client)?.close('kicked');
        break;
      case 'stream_stop':
      case 'client_disconnected':
        this.#owner?.lookAtCensus();
        break;
      case 'stream_stopped':
        this.#stopFollowing?.({ kind: 'stopped', error: errorOf(event) });
        break;
      case 'owner_changed':
        if (event.owner === '') this.#stopFollowing?.({ kind: 'ownerless' });
        break;
      case 'stream_started':
      case 'client_connected':
      case 'engine_switched':
        break;
    }
  }

  #hasViewers(): boolean {
    return this.#playing.size + this.#admitted.size + this.#waiting.size > 0;
  }

  /** A follower without viewers has nothing to follow for; an owner waits out the grace period. */
  #closeWhenIdle(): void {
    if (this.#hasViewers() || this.#registering > 0) return;
    if (this.#living === null) this.#enterClosed();
    else this.#stopFollowing?.({ kind: 'unwatched' });
  }

  #enterClosed(): void {
    if (this.closed) return;
    this.#role = Role.Closed;
    this.#unsubscribe();
    this.#deps.onClosed(this);
  }
}

/** Why a follower stopped following. */
type FollowEnd =
  | { readonly kind: 'ownerless' }
  | { readonly kind: 'unwatched' }
  | { readonly kind: 'drained' }
  | { readonly kind: 'stopped'; readonly error: AppError | null };

const NEVER = new AbortController().signal;

function errorOf(event: Extract<StreamEvent, { type: 'stream_stopped' }>): AppError | null {
  if (event.code === undefined || !(event.code in ERRORS)) return null;
  const code: ErrorCode = event.code;
  return new AppError(code, event.detail === undefined ? {} : { reason: event.detail });
}
