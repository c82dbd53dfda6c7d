import { sleep, type Clock } from '../../shared/clock.js';
import type { Settings } from '../../shared/config/settings.js';
import { AppError, ERRORS, type ErrorCode } from '../../shared/errors.js';
import type { KeyType, StreamId } from '../../shared/ids.js';
import type { Logger } from '../../shared/log/logger.js';
import type { ClientStore } from '../../shared/redis/client-store.js';
import type { EventBus } from '../../shared/redis/event-bus.js';
import { parseStreamEvent, type StreamEvent } from '../../shared/redis/events.js';
import { toRedisError } from '../../shared/redis/failures.js';
import type { Keys } from '../../shared/redis/keys.js';
import { isAway, REDIS_PATIENCE_MS } from '../../shared/redis/patience.js';
import type { OwnerStore, Ownership } from '../../shared/redis/owner-store.js';
import type { RingStore } from '../../shared/redis/ring-store.js';
import type { ClientIdentity, ClientSession } from '../client/client-session.js';
import { FollowerLoop } from '../follower/follower-loop.js';
import type { MovableReader } from '../contracts.js';
import type { OwnerLoop } from '../owner/owner-loop.js';
import { ChunkFeed } from '../ring/chunk-feed.js';
import { ExpectedReader } from './expected-reader.js';
import type { LeaseKeeper } from './lease-keeper.js';
import type { StreamMetrics } from './stream-metrics.js';
import { StreamClients } from './stream-clients.js';
import type { StreamMover } from './stream-mover.js';
import { MovedError } from './waiting-room.js';

/** What this worker is to the stream. */
export const Role = {
  /** No clients, or between two roles. */
  None: 'none',
  Owner: 'owner',
  Follower: 'follower',
  /** Nothing more happens: a new session is made for the next client. */
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
const RETRY_MS = 100;

/**
 * One stream in one worker: its clients, and the role by which the worker gets the bytes. It is the
 * only writer of both. `#live` runs while there are clients: it races for the lock, then owns or
 * follows, and begins again when the role ends.
 */
export class StreamSession {
  readonly stream: StreamId;
  readonly keyType: KeyType;
  readonly feed: ChunkFeed;
  readonly clients: StreamClients;
  readonly logger: Logger;
  readonly #deps: StreamDeps;
  readonly #unsubscribe: () => void;
  #role: Role = Role.None;
  #owner: OwnerLoop | null = null;
  #stopFollowing: ((event: FollowEnd) => void) | null = null;
  readonly #expected: ExpectedReader;
  #living: Promise<void> | null = null;
  /** Monotonic ms since when no role could be taken for want of Redis; `null` while it answers. */
  #awaySince: number | null = null;
  /** Set by a drain: how it ends an ownership, also one that is won in its last moment. */
  #draining: ((owner: OwnerLoop) => void) | null = null;

  constructor(stream: StreamId, keyType: KeyType, deps: StreamDeps) {
    this.stream = stream;
    this.keyType = keyType;
    this.#deps = deps;
    this.logger = deps.logger.child({ stream });
    const { settings, clock, bus, keys, ring } = deps;
    this.#expected = new ExpectedReader(clock);
    this.feed = new ChunkFeed({
      bounds: { maxBytes: settings.bufferMaxBytes, ttlMs: settings.bufferTtlMs },
      memoryBytes: Math.min(MEMORY_BYTES, settings.bufferMaxBytes),
      read: (indices) => ring.read(stream, indices),
      now: () => clock.now(),
    });
    this.clients = new StreamClients({
      ...{ stream, feed: this.feed, logger: this.logger },
      ...{ settings, clock, leases: deps.leases, store: deps.clients, metrics: deps.metrics },
      // A stream that plays here goes on without Redis, also for one more client (spec 3.7).
      playsHere: () => this.#role === Role.Owner,
      onWanted: () => {
        if (this.#draining !== null) throw new AppError('SHUTTING_DOWN');
        this.#ensureLiving();
      },
      onLeft: () => this.#onLeft(),
    });
    this.feed.onChange(() => this.clients.pump());
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

  get closed(): boolean {
    return this.#role === Role.Closed;
  }

  /** Registers a client and resolves when there is media to begin with; see `StreamClients`. */
  async admit(identity: ClientIdentity, signal: AbortSignal): Promise<void> {
    await this.clients.admit(identity, signal);
  }

  /** Ends every client here; the owner then stops the stream or leaves it to other hosts. */
  async shutdown(): Promise<void> {
    this.#draining = (owner) => owner.shutdown();
    this.clients.close('shutdown', new AppError('SHUTTING_DOWN'));
    this.#stopFollowing?.({ kind: 'drained' });
    this.#owner?.shutdown();
    await this.#living;
    this.#enterClosed();
  }

  /** Hands every client to `give`, then the stream itself to a sibling. */
  async handOver(give: (client: ClientSession) => Promise<void>): Promise<void> {
    this.#draining = (owner) => owner.yield();
    this.clients.refuse(new MovedError());
    await Promise.all([...this.clients.playing].map(give));
    this.#stopFollowing?.({ kind: 'drained' });
    if (this.#owner !== null) await this.#giveAway(this.#owner);
    await this.#living;
    this.#enterClosed();
  }

  /** Hands those clients to `give` that can move now; a follower without clients ends. */
  async gather(give: (client: ClientSession) => Promise<void>): Promise<void> {
    if (this.#role !== Role.Follower || this.#draining !== null) return;
    await Promise.all([...this.clients.playing].filter(({ movable }) => movable).map(give));
    this.#closeWhenIdle();
  }

  /** Owns the stream next: another worker hands its engine's connection over (`null`: it got lost). */
  take(reader: MovableReader | null): void {
    if (this.#role === Role.Owner && !this.#expected.awaited) {
      // Too late: this worker has opened a connection of its own.
      void reader?.close();
      return;
    }
    this.#expected.put(reader);
    this.#stopFollowing?.({ kind: 'ownerless' });
    this.#ensureLiving();
  }

  async #giveAway(owner: OwnerLoop): Promise<void> {
    const { mover } = this.#deps;
    const target = await mover.target(this.stream);
    if (target === null) owner.yield();
    else owner.handOver(target, (socket, term) => mover.give(this.stream, term, target, socket));
  }

  #ensureLiving(): void {
    this.#living ??= this.#live().finally(() => {
      this.#living = null;
      this.#role = this.closed ? Role.Closed : Role.None;
      if (this.clients.any && this.#draining === null) this.#ensureLiving();
      else this.#closeWhenIdle();
    });
  }

  async #live(): Promise<void> {
    const { owners, clock } = this.#deps;
    // What is on its way here is taken even by a worker that drains: nobody else can end it.
    while ((this.clients.any && this.#draining === null) || this.#expected.here) {
      try {
        const answer = await owners.acquire(this.stream, this.keyType, clock.now());
        this.#awaySince = null;
        if (answer.outcome === 'won') await this.#own(answer.ownership, answer.given);
        else if (answer.outcome === 'taken') {
          this.#expected.drop();
          await this.#follow();
        } else await sleep(clock, STOPPING_POLL_MS);
      } catch (thrown) {
        this.logger.warn('no role could be taken', { error: thrown });
        if (!this.#isBlip(thrown)) this.clients.refuse(toRedisError(thrown));
        await sleep(clock, RETRY_MS);
      }
    }
  }

  /** Redis is away, but not yet for so long that who waits should be told. */
  #isBlip(thrown: unknown): boolean {
    if (!isAway(thrown)) return false;
    const now = this.#deps.clock.monotonic();
    this.#awaySince ??= now;
    return now - this.#awaySince < REDIS_PATIENCE_MS;
  }

  async #own(ownership: Ownership, given: boolean): Promise<void> {
    const { metrics, onOwning, onReleased } = this.#deps;
    this.#role = Role.Owner;
    onOwning(this.stream, ownership.term);
    metrics.ownership();
    if (ownership.term > 1) metrics.takeover();
    this.logger.info('owner', { term: ownership.term });
    try {
      if (given) await this.#expected.untilHere();
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
    const reader = this.#expected.take();
    try {
      return await makeOwner(this, ownership, reader);
    } catch (thrown) {
      void reader?.close();
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
      onRead: (chunks, bytes, at) => metrics.read(chunks, bytes, clock.now() - at),
      onOwnerless: () => this.#stopFollowing?.({ kind: 'ownerless' }),
      onAway: (error) => this.clients.refuse(toRedisError(error)),
      onForgotten: () => void leases.pulseNow(),
    });
    loop.start();
    if (!this.clients.any) this.#stopFollowing?.({ kind: 'unwatched' });
    const end = await ended;
    this.#stopFollowing = null;
    loop.stop();
    this.#role = Role.None;
    if (end.kind === 'stopped') this.end(end.error);
  }

  /** The stream's life is over: who waits is told why, who plays is ended with FIN. */
  end(error: AppError | null): void {
    this.clients.close(error?.code ?? 'stopped', error ?? new AppError('STREAM_STOPPING'));
    this.feed.reset();
  }

  #onEvent(event: StreamEvent): void {
    switch (event.type) {
      case 'client_stop':
        this.clients.find(event.client)?.close('kicked');
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
      case 'client_connected':
        this.#owner?.viewerCame();
        break;
      case 'stream_started':
      case 'engine_switched':
        break;
    }
  }

  #onLeft(): void {
    this.#owner?.lookAtCensus();
    this.#closeWhenIdle();
  }

  /** A follower without clients has nothing to follow for; an owner waits out the grace period. */
  #closeWhenIdle(): void {
    if (this.clients.any || this.clients.registering) return;
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

function errorOf(event: Extract<StreamEvent, { type: 'stream_stopped' }>): AppError | null {
  if (event.code === undefined || !(event.code in ERRORS)) return null;
  const code: ErrorCode = event.code;
  return new AppError(code, event.detail === undefined ? {} : { reason: event.detail });
}
