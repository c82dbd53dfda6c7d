import type { Clock } from '../../shared/clock.js';
import type { AccessSettings } from '../../shared/config/settings.js';
import { sameKey } from '../../shared/constant-time.js';
import { AppError, type ErrorCode } from '../../shared/errors.js';
import type { Logger } from '../../shared/log/logger.js';
import { WatchedFile } from '../../shared/watched-file.js';
import { decideMedia, hasExpired, type Carried, type MediaAsk, type MediaRules } from './decide.js';
import { FailureLimit } from './failure-limit.js';
import { hostOf, Networks } from './networks.js';
import { digestOf, MAX_USERS_BYTES, parseUsers, type UserList } from './user-list.js';

export interface AccessGateInputs {
  readonly settings: AccessSettings;
  /** The key of the management routes. */
  readonly apiKey: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told of every refusal, for the metrics. */
  readonly onRefused: (code: ErrorCode) => void;
  /** Told of every failed try, for the other workers: the address, or the /64 of an IPv6 address. */
  readonly onFailed?: (host: string) => void;
}

/** Somebody who may have media. */
export interface Admission {
  /** Name in the list of users, or of the signed address; `null` where nobody is named. */
  readonly user: string | null;
  /** For the addresses of a playlist. */
  readonly carried: Carried;
}

/** Who may come in: asks the rules, counts the failures, and reads the list of users. */
export class AccessGate {
  readonly #inputs: AccessGateInputs;
  readonly #failures: FailureLimit;
  readonly #users: WatchedFile<UserList> | null;
  readonly #fixed: Omit<MediaRules, 'users'>;
  readonly #management: Networks | null;

  constructor(inputs: AccessGateInputs) {
    this.#inputs = inputs;
    const { settings, apiKey, clock, logger } = inputs;
    const { mediaTokens, usersPath, urlSecrets, mediaNetworks, managementNetworks } = settings;
    this.#failures = new FailureLimit(clock);
    this.#users = usersPath === null ? null : usersFile(usersPath, logger);
    this.#fixed = {
      networks: mediaNetworks && new Networks(mediaNetworks),
      tokens: mediaTokens.map(digestOf),
      apiKey: digestOf(apiKey),
      secrets: urlSecrets,
    };
    this.#management = managementNetworks && new Networks(managementNetworks);
  }

  /** Throws what the player is told, with an entry of the catalogue. */
  async admitMedia(ask: MediaAsk): Promise<Admission> {
    await this.refresh();
    const { address, credential } = ask;
    // A blocked address is not told whether what it shows is right, or it could go on guessing.
    if (credential.kind !== 'none') this.#checkFailures(address);
    const verdict = decideMedia(this.#rules(), ask, this.#inputs.clock.now());
    if (verdict.allowed) return verdict;
    this.#refuse(verdict.code, verdict.guess ? address : null);
  }

  /** Throws unless management may be asked for from this address. */
  admitNetwork(address: string): void {
    if (this.#management?.has(address) === false) this.#refuse('NETWORK_REFUSED', null);
  }

  /** Throws unless `key` is the key of the management routes; `null`: none was shown. */
  checkKey(address: string, key: string | null): void {
    if (key === null) this.#refuse('UNAUTHORIZED', null);
    this.#checkFailures(address);
    if (!sameKey(key, this.#inputs.apiKey)) this.#refuse('FORBIDDEN', address);
  }

  /** Connections that the user may have; 0: no limit; `null`: not one (any more). */
  limitOf(user: string): number | null {
    // Without a good list nobody is sent away who was let in before.
    const users = this.#users?.value ?? null;
    if (users === null) return 0;
    const known = users.get(user);
    return known === undefined || hasExpired(known, this.#inputs.clock.now())
      ? null
      : known.maxClients;
  }

  /** Another worker was shown something wrong by this host. */
  countFailure(host: string): void {
    this.#failures.failed(host);
  }

  /** Looks whether the list of users has changed. Never rejects. */
  async refresh(): Promise<void> {
    await this.#users?.refresh();
  }

  #rules(): MediaRules {
    const users = this.#users === null ? 'off' : (this.#users.value ?? 'faulty');
    return { ...this.#fixed, users };
  }

  #checkFailures(address: string): void {
    if (this.#failures.isBlocked(address)) this.#refuse('TOO_MANY_FAILURES', null);
  }

  /** `guessedBy`: the address that showed something wrong. */
  #refuse(code: ErrorCode, guessedBy: string | null): never {
    const { logger, onRefused, onFailed } = this.#inputs;
    onRefused(code);
    if (guessedBy !== null) {
      this.#failures.failed(guessedBy);
      onFailed?.(hostOf(guessedBy));
      // Bounded by the limit itself; what was shown is not part of it.
      logger.warn('access refused', { code, ip: guessedBy });
    }
    throw new AppError(code);
  }
}

function usersFile(path: string, logger: Logger): WatchedFile<UserList> {
  return new WatchedFile({
    ...{ path, logger, given: true, maxBytes: MAX_USERS_BYTES, parse: parseUsers },
    what: 'the list of users',
    onRead: (users) => logger.info('users read', { path, users: users.size }),
  });
}
