import type { Clock } from '../../shared/clock.js';
import type { Settings } from '../../shared/config/settings.js';
import { AppError } from '../../shared/errors.js';
import type { ClientId, StreamId } from '../../shared/ids.js';
import type { Logger } from '../../shared/log/logger.js';
import type { ClientPulse, ClientStore, JoinAnswer } from '../../shared/redis/client-store.js';
import type { ClientIdentity } from '../client/client-session.js';
import type { UserPlaces } from './user-places.js';

/** What a playing client has come to. */
export interface ClientProgress {
  readonly bytes: number;
  readonly chunks: number;
  readonly skips?: number;
  /** ms of media up to the head; `null` while its place is looked for. */
  readonly behindMs?: number | null;
  /** ms since a full socket took something. */
  readonly stalledMs?: number;
}

/** A lease of this worker and, once it plays, what its socket took. */
interface Lease {
  readonly identity: ClientIdentity;
  progress: (() => ClientProgress) | null;
  lastBytes: number;
  lastActive: number;
  lastPulseAt: number;
}

export interface LeaseKeeperOptions {
  readonly store: ClientStore;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Where there are users with limits. */
  readonly places: UserPlaces;
  /** An operator's script or another worker asked this client to leave. */
  readonly onAskedToLeave: (client: ClientId) => void;
  /** What the worker's heartbeat says besides its clients and their rate. */
  readonly vitals: () => Readonly<Record<string, number>>;
}

const NO_PROGRESS: ClientProgress = { bytes: 0, chunks: 0 };

/** A worker counts as dead for operators' eyes after this many heartbeats without a sign. */
const HEARTBEATS_TO_DEATH = 3;
/** Leases that are renewed together: a thousand at once would hold media back for 50 ms. */
const SLICE = 100;
/** ms between tries to take leave of a Redis that is away, and to be known to one that came back. */
const RETRY_MS = 1_000;

/** The leases of all clients of this worker: a few batches per heartbeat, left at once. */
export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions;
  readonly #leases = new Map<ClientId, Lease>();
  readonly #owedLeaves = new Map<ClientId, StreamId>();
  readonly #leaving = new Set<Promise<void>>();
  #timers: NodeJS.Timeout[] = [];
  #pulsing = false;
  /** The last pulse did not reach Redis: it may come back empty. */
  #owesPulse = false;

  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#leases.size;
  }

  start(): void {
    const { clock, settings } = this.#options;
    this.#timers = [
      clock.setInterval(() => void this.pulseNow(), settings.heartbeatMs),
      clock.setInterval(() => this.#retry(), RETRY_MS),
    ];
    this.#options.places.start();
    void this.pulseNow();
  }

  /** Ends the timers, waits for leaves under way, and takes the worker's own sign of life away. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#options.places.stop();
    await Promise.all(this.#leaving);
    await this.#options.store.forgetWorker().catch(() => undefined);
  }

  /**
   * Registers a client with its stream. Throws `USER_LIMIT` and `CLIENT_LIMIT`; rejects while Redis is
   * away.
   */
  async join(identity: ClientIdentity): Promise<JoinAnswer> {
    const { places } = this.#options;
    await places.take(identity);
    let joined = false;
    try {
      const answer = await this.#join(identity);
      joined = answer.joined;
      return answer;
    } finally {
      if (!joined) places.give(identity.client);
    }
  }

  async #join(identity: ClientIdentity): Promise<JoinAnswer> {
    const { store, settings, clock } = this.#options;
    const now = clock.now();
    const { maxClients } = settings;
    if (maxClients > 0 && !(await store.admit(identity.client, maxClients, now))) {
      throw new AppError('CLIENT_LIMIT', { limit: maxClients });
    }
    const answer = await store.join(identity.stream, identity, now);
    if (answer.joined) this.hold(identity);
    return answer;
  }

  /** Holds a lease that Redis learns of with the next pulse (it may be away). */
  hold(identity: ClientIdentity): void {
    this.#owedLeaves.delete(identity.client);
    this.#options.places.hold(identity);
    this.#leases.set(identity.client, {
      identity,
      progress: null,
      lastBytes: 0,
      lastActive: this.#options.clock.now(),
      lastPulseAt: this.#options.clock.monotonic(),
    });
  }

  /** From now on the lease tells what the client's socket took. */
  watch(client: ClientId, progress: () => ClientProgress): void {
    const lease = this.#leases.get(client);
    if (lease !== undefined) lease.progress = progress;
    this.#options.places.watch(client, () => progress().stalledMs ?? 0);
  }

  /** Takes leave; tries again later when Redis is away. Idempotent. */
  leave(identity: Pick<ClientIdentity, 'client' | 'stream'>): void {
    this.#leases.delete(identity.client);
    this.#options.places.give(identity.client);
    this.#sendLeave(identity.stream, identity.client);
  }

  /** Forgets a lease that another worker has taken over. */
  release(client: ClientId): void {
    this.#leases.delete(client);
    this.#options.places.forget(client);
  }

  /** Renews every lease; also what puts them back after Redis came back empty. */
  async pulseNow(): Promise<void> {
    if (this.#pulsing) return;
    this.#pulsing = true;
    const { store, settings, clock, logger, vitals } = this.#options;
    try {
      const clients = [...this.#leases.keys()];
      let rate = 0;
      for (let from = 0; from < clients.length; from += SLICE) {
        rate += await this.#pulseSlice(clients.slice(from, from + SLICE));
      }
      await store.beat({
        now: clock.now(),
        ttlMs: settings.heartbeatMs * HEARTBEATS_TO_DEATH,
        clients: this.count,
        vitals: { ...vitals(), rateKBps: Math.round(rate) },
      });
      this.#owesPulse = false;
    } catch (error) {
      this.#owesPulse = true;
      logger.debug('leases could not be renewed', { error });
    } finally {
      this.#pulsing = false;
    }
  }

  /** Resolves to what these clients take in all, kilobytes per second. */
  async #pulseSlice(clients: readonly ClientId[]): Promise<number> {
    const { store, settings, clock, onAskedToLeave } = this.#options;
    // Who has left while the slices before were on their way must not be put back.
    const leases = clients.flatMap((client) => this.#leases.get(client) ?? []);
    const pulses = leases.map((lease) => this.#pulseOf(lease));
    await store.pulse(pulses, { now: clock.now(), limited: settings.maxClients > 0 });
    const asked = await store.askedToLeave(leases.map(({ identity }) => identity));
    for (const client of asked) onAskedToLeave(client);
    return pulses.reduce((sum, { currentRate }) => sum + currentRate, 0);
  }

  #pulseOf(lease: Lease): ClientPulse {
    const { clock } = this.#options;
    const now = clock.now();
    const monotonic = clock.monotonic();
    const { bytes, chunks, skips = 0, behindMs = null } = lease.progress?.() ?? NO_PROGRESS;
    const seconds = Math.max(0.001, (monotonic - lease.lastPulseAt) / 1_000);
    const age = Math.max(0.001, (now - lease.identity.connectedAt) / 1_000);
    const currentRate = (bytes - lease.lastBytes) / 1_000 / seconds;
    if (bytes > lease.lastBytes) lease.lastActive = now;
    lease.lastBytes = bytes;
    lease.lastPulseAt = monotonic;
    return {
      ...lease.identity,
      lastActive: lease.lastActive,
      bytesSent: bytes,
      chunksSent: chunks,
      averageRate: bytes / 1_000 / age,
      currentRate,
      skips,
      behindMs,
    };
  }

  #retry(): void {
    if (this.#owesPulse) void this.pulseNow();
    for (const [client, stream] of this.#owedLeaves) this.#sendLeave(stream, client);
  }

  #sendLeave(stream: StreamId, client: ClientId): void {
    this.#owedLeaves.delete(client);
    const { store, clock } = this.#options;
    const leaving = store.leave(stream, client, clock.now()).then(
      () => undefined,
      () => {
        if (!this.#leases.has(client)) this.#owedLeaves.set(client, stream);
      },
    );
    this.#leaving.add(leaving);
    void leaving.finally(() => this.#leaving.delete(leaving));
  }
}
