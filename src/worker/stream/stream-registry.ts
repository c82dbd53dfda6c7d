import type { Socket } from 'node:net';
import type { Clock } from '../../shared/clock.js';
import type { Settings } from '../../shared/config/settings.js';
import { AppError } from '../../shared/errors.js';
import { isKeyType, type ClientId, type KeyType, type StreamId } from '../../shared/ids.js';
import type { PlayingSession, RingPosition } from '../../shared/ipc/messages.js';
import { classifyRedisFailure, RedisFailure } from '../../shared/redis/failures.js';
import { patiently } from '../../shared/redis/patience.js';
import type { OwnerStore } from '../../shared/redis/owner-store.js';
import type { MovableReader } from '../contracts.js';
import type { ClientIdentity, ClientSession } from '../client/client-session.js';
import { Role, StreamSession, type StreamDeps } from './stream-session.js';

export interface RegistryOptions {
  readonly settings: Settings;
  readonly owners: OwnerStore;
  readonly clock: Clock;
  /** Everything a session needs but the word that it is over. */
  readonly deps: Omit<StreamDeps, 'onClosed'>;
}

/** ms between looks at gaps and ghosts; fine enough for fillers every 500 ms. */
const TICK_MS = 250;

/** All streams of this worker. */
export class StreamRegistry {
  readonly #options: RegistryOptions;
  readonly #sessions = new Map<StreamId, StreamSession>();
  #timer: NodeJS.Timeout | undefined;
  #lastKeepaliveAt = 0;
  #draining = false;

  constructor(options: RegistryOptions) {
    this.#options = options;
  }

  get clientCount(): number {
    let count = 0;
    for (const session of this.#sessions.values()) count += session.clients.count;
    return count;
  }

  get streamCount(): number {
    return this.#sessions.size;
  }

  start(): void {
    this.#timer = this.#options.clock.setInterval(() => this.#tick(), TICK_MS);
  }

  /** The session that will serve this viewer, once it has media; see `StreamSession.admit`. */
  async admit(
    identity: ClientIdentity,
    keyType: KeyType,
    signal: AbortSignal,
  ): Promise<StreamSession> {
    if (this.#draining) throw new AppError('SHUTTING_DOWN');
    if (!this.#sessions.has(identity.stream)) await this.#checkRefusal(identity.stream);
    const session = this.#sessionOf(identity.stream, keyType);
    await session.admit(identity, signal);
    return session;
  }

  /** Serves a client that another worker served; rejects when it cannot be registered, or the worker ends. */
  async adopt(playing: PlayingSession, socket: Socket | null, torn: boolean): Promise<void> {
    if (this.#draining) throw new AppError('SHUTTING_DOWN');
    await this.#sessionOf(playing.stream, playing.keyType).clients.adopt(playing, socket, torn);
  }

  /** Owns a stream whose engine connection another worker hands over. */
  async take(stream: StreamId, reader: MovableReader | null): Promise<void> {
    try {
      const { key_type: keyType } = await this.#options.owners.readMetadata(stream);
      this.#sessionOf(stream, isKeyType(keyType) ? keyType : 'id').take(reader);
    } catch (thrown) {
      // Redis is away: the lock runs out, and who follows the stream takes it over.
      await reader?.close();
      throw thrown;
    }
  }

  close(client: ClientId, reason: string): void {
    for (const session of this.#sessions.values()) session.clients.find(client)?.close(reason);
  }

  /** Where every playing client stands, for the primary. */
  *positions(): Iterable<readonly [Socket, RingPosition]> {
    for (const session of this.#sessions.values()) {
      for (const { socket, position } of session.clients.playing) {
        if (position !== null) yield [socket, position];
      }
    }
  }

  /** Ids of the streams this worker owns. */
  owned(): readonly StreamId[] {
    const sessions = [...this.#sessions.values()];
    return sessions.filter(({ role }) => role === Role.Owner).map(({ stream }) => stream);
  }

  /** True while this worker has anything to do with the stream. */
  serves(stream: StreamId): boolean {
    return this.#sessions.has(stream);
  }

  /** Ends everything; resolves when the streams are stopped or given away. */
  async shutdown(): Promise<void> {
    this.#draining = true;
    await Promise.all([...this.#sessions.values()].map((session) => session.shutdown()));
    clearInterval(this.#timer);
  }

  /** Hands every client and every stream to the siblings. */
  async handOver(
    give: (session: StreamSession, client: ClientSession) => Promise<void>,
  ): Promise<void> {
    this.#draining = true;
    await Promise.all(
      [...this.#sessions.values()].map((session) =>
        session.handOver((client) => give(session, client)),
      ),
    );
    clearInterval(this.#timer);
  }

  /** Hands over the clients of one stream that is followed here. */
  async gather(
    stream: StreamId,
    give: (session: StreamSession, client: ClientSession) => Promise<void>,
  ): Promise<void> {
    const session = this.#sessions.get(stream);
    await session?.gather((client) => give(session, client));
  }

  #sessionOf(stream: StreamId, keyType: KeyType): StreamSession {
    const known = this.#sessions.get(stream);
    if (known !== undefined) return known;
    const session = new StreamSession(stream, keyType, {
      ...this.#options.deps,
      onClosed: (closed) => {
        if (this.#sessions.get(stream) === closed) this.#sessions.delete(stream);
      },
    });
    this.#sessions.set(stream, session);
    return session;
  }

  /** A content that an engine refused a moment ago is not asked for again (spec 4). */
  async #checkRefusal(stream: StreamId): Promise<void> {
    const { owners, clock } = this.#options;
    let reason: string | null;
    try {
      reason = await patiently(clock, () => owners.refusal(stream));
    } catch (thrown) {
      if (classifyRedisFailure(thrown) === RedisFailure.Defect) throw thrown;
      throw new AppError('REDIS_UNAVAILABLE', {}, thrown);
    }
    if (reason !== null) throw new AppError('CONTENT_NOT_FOUND', { reason });
  }

  #tick(): void {
    const { clock, settings } = this.#options;
    const now = clock.monotonic();
    const keepalive = now - this.#lastKeepaliveAt >= settings.keepaliveMs;
    if (keepalive) this.#lastKeepaliveAt = now;
    for (const session of this.#sessions.values()) session.clients.tick(keepalive);
  }
}
