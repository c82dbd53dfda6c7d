import { sleep, type Clock } from '../../shared/clock.js';
import { AppError } from '../../shared/errors.js';
import type { ClientId } from '../../shared/ids.js';
import type { Logger } from '../../shared/log/logger.js';
import type { ClientStore } from '../../shared/redis/client-store.js';

/** What the list of users says. */
export interface UserPolicy {
  /** Connections that the user may have; 0: no limit; `null`: not one (any more). */
  limitOf(user: string): number | null;
  /** Brings the list up to date. Never rejects. */
  refresh(): Promise<void>;
}

export interface UserPlacesOptions {
  readonly store: Pick<ClientStore, 'takePlace' | 'givePlace'>;
  readonly policy: UserPolicy;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The client has to leave: its user is gone, or somebody has taken the place that it gave up. */
  readonly onLost: (client: ClientId, reason: string) => void;
}

/** A client as far as its user's limit is concerned. */
export interface UsersClient {
  readonly client: ClientId;
  readonly user?: string | null;
}

interface Place {
  readonly user: string;
  held: boolean;
  stalledMs: () => number;
}

/**
 * ms; what a host leaves behind that dies with everything is gone after this, so that a player which
 * connects again is not kept out by its own ghost.
 */
const LIFE_MS = 6_000;
/** A third of the life. */
const RENEW_MS = 2_000;
/** A socket that took nothing for this long gives its place up until it takes something again. */
const STALL_MS = 4_000;
/** A player that changes the channel opens the new one before the end of the old one was seen. */
const PATIENCE_MS = 2_000;
const POLL_MS = 150;

/**
 * The places that the clients of this worker have in their users' limits. A place belongs to who takes
 * bytes: it is renewed every other second, and given up by a socket that stalls.
 */
export class UserPlaces {
  readonly #options: UserPlacesOptions;
  readonly #places = new Map<ClientId, Place>();
  /** User by client: places that nobody has here and that Redis may think are taken, because it was away. */
  readonly #owed = new Map<ClientId, string>();
  #timer: NodeJS.Timeout | undefined;
  #renewing = false;

  constructor(options: UserPlacesOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#places.size;
  }

  start(): void {
    this.#timer = this.#options.clock.setInterval(() => void this.renew(), RENEW_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Throws `USER_LIMIT` when no place gets free in time; rejects while Redis is away and one is free here. */
  async take({ client, user }: UsersClient): Promise<void> {
    if (!user) return;
    const { clock, policy } = this.#options;
    const deadline = clock.monotonic() + PATIENCE_MS;
    for (;;) {
      const limit = policy.limitOf(user);
      if (limit === null) throw new AppError('TOKEN_REFUSED');
      await this.#giveOwed();
      if (await this.#mayHave(client, user, limit)) break;
      if (clock.monotonic() >= deadline) throw new AppError('USER_LIMIT', { limit });
      await sleep(clock, POLL_MS);
    }
    this.#note(client, user, true);
  }

  /** Goes on with a client whose place is asked for with the next renewal. */
  hold({ client, user }: UsersClient): void {
    if (user && !this.#places.has(client)) this.#note(client, user, false);
  }

  watch(client: ClientId, stalledMs: () => number): void {
    const place = this.#places.get(client);
    if (place !== undefined) place.stalledMs = stalledMs;
  }

  /** Somebody else may have the place. Idempotent. */
  give(client: ClientId): void {
    const place = this.#places.get(client);
    if (place === undefined) return;
    this.#places.delete(client);
    // Whether it is held or asked for at this moment: Redis answers in order.
    if (this.#options.policy.limitOf(place.user) !== 0) void this.#give(client, place.user);
  }

  /** Another worker has taken the client over, with its place. */
  forget(client: ClientId): void {
    this.#places.delete(client);
  }

  /** Prolongs every place; also what puts them back after Redis came back empty. */
  async renew(): Promise<void> {
    if (this.#renewing || this.#places.size + this.#owed.size === 0) return;
    this.#renewing = true;
    try {
      await this.#giveOwed();
      await this.#options.policy.refresh();
      await Promise.all([...this.#places].map(([client, place]) => this.#renewOne(client, place)));
    } catch (error) {
      this.#options.logger.debug('the places of users could not be renewed', { error });
    } finally {
      this.#renewing = false;
    }
  }

  async #renewOne(client: ClientId, place: Place): Promise<void> {
    const { policy, onLost } = this.#options;
    const limit = policy.limitOf(place.user);
    if (limit === null) {
      onLost(client, 'access ended');
      return;
    }
    if (limit > 0 && place.stalledMs() >= STALL_MS) {
      if (!place.held) return;
      place.held = false;
      await this.#give(client, place.user);
      return;
    }
    place.held = await this.#ask(client, place.user, limit);
    if (!place.held && this.#places.get(client) === place) onLost(client, 'user limit');
  }

  /** While Redis is away this worker's own clients are all that is known, and they count. */
  async #mayHave(client: ClientId, user: string, limit: number): Promise<boolean> {
    try {
      return await this.#ask(client, user, limit);
    } catch (thrown) {
      // Redis may have given it all the same.
      this.#owed.set(client, user);
      if (this.#others(client, user) >= limit) return false;
      throw thrown;
    }
  }

  /** Places of the user here, apart from those that stalled sockets have given up. */
  #others(client: ClientId, user: string): number {
    return [...this.#places].filter(
      ([other, place]) => other !== client && place.user === user && place.stalledMs() < STALL_MS,
    ).length;
  }

  async #ask(client: ClientId, user: string, limit: number): Promise<boolean> {
    this.#owed.delete(client);
    if (limit === 0) return true;
    return this.#options.store.takePlace(user, client, { limit, lifeMs: LIFE_MS });
  }

  async #giveOwed(): Promise<void> {
    await Promise.all([...this.#owed].map(([client, user]) => this.#give(client, user)));
  }

  async #give(client: ClientId, user: string): Promise<void> {
    this.#owed.delete(client);
    await this.#options.store.givePlace(user, client).catch(() => this.#owed.set(client, user));
  }

  #note(client: ClientId, user: string, held: boolean): void {
    this.#places.set(client, { user, held, stalledMs: () => 0 });
  }
}
