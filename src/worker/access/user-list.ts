import { createHash, timingSafeEqual } from 'node:crypto';
import { FormatError } from '../../shared/config/formats.js';
import { networkList } from '../../shared/config/list-formats.js';
import { nearest } from '../../shared/config/nearest.js';
import { parseEnd } from '../../shared/end-time.js';
import { USER_NAME } from '../../shared/signed-url.js';
import { FileFaultError, type FileFault } from '../../shared/watched-file.js';
import { TOKEN } from './credential.js';
import { Networks } from './networks.js';

/** Bytes; some 10,000 users. */
export const MAX_USERS_BYTES = 2 * 1_024 * 1_024;

export interface User {
  readonly name: string;
  /** SHA-256 of the token. */
  readonly digest: Buffer;
  /** ms since the epoch: from then on the user is refused; `null`: never. */
  readonly expires: number | null;
  /** Connections at the same time; 0 is no limit. */
  readonly maxClients: number;
  /** `null`: from everywhere. */
  readonly networks: Networks | null;
}

export type UserList = ReadonlyMap<string, User>;

/** All faults of the list at once. */
export class UserListError extends FileFaultError {
  constructor(faults: readonly FileFault[]) {
    super('the list of users', faults);
  }
}

const MAX_CLIENTS = 10_000;
const DIGEST = /^[0-9a-f]{64}$/i;
type Fields = Readonly<Record<string, unknown>>;

/** What each field may hold; the value is what is wrong with it. */
const RULES: Readonly<Record<string, (value: unknown) => string | null>> = {
  name: (value) =>
    typeof value === 'string' && USER_NAME.test(value)
      ? null
      : 'name is 1 to 64 of a-z, 0-9 and . _ -, and begins with a letter or a digit',
  token: (value) =>
    typeof value === 'string' && value.length >= 16 && TOKEN.test(value)
      ? null
      : 'token is 16 to 128 of letters, digits and . _ ~ -',
  token_sha256: (value) =>
    typeof value === 'string' && DIGEST.test(value) ? null : 'token_sha256 is 64 hex digits',
  expires: (value) =>
    typeof value === 'string' && parseEnd(value) !== null
      ? null
      : 'expires is a day such as 2030-12-31, or an instant such as 2030-12-31T18:00:00Z',
  max_clients: (value) =>
    typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MAX_CLIENTS
      ? null
      : `max_clients is a whole number from 1 to ${String(MAX_CLIENTS)}`,
  networks: networksFault,
};
const NAMES = Object.keys(RULES);

/**
 * `users.json`: an array of `{name, token | token_sha256, expires?, max_clients?, networks?}`. Throws
 * `UserListError` with every fault; a token is never part of one.
 */
export function parseUsers(file: Buffer): UserList {
  const users = new Map<string, User>();
  const digests = new Set<string>();
  const faults: FileFault[] = [];
  for (const [at, entry] of entriesOf(file).entries()) {
    const messages = faultsOf(entry);
    if (messages.length === 0) {
      const user = userOf(entry as Fields);
      const digest = user.digest.toString('hex');
      if (users.has(user.name)) messages.push('this name stands twice');
      if (digests.has(digest)) messages.push('another user has the same token');
      users.set(user.name, user);
      digests.add(digest);
    }
    faults.push(...messages.map((message) => ({ where: placeOf(entry, at), message })));
  }
  if (faults.length > 0) throw new UserListError(faults);
  return users;
}

/** The user whose token has this digest; every user is compared, in constant time. */
export function userOfDigest(users: UserList, digest: Buffer): User | null {
  let found: User | null = null;
  for (const user of users.values()) if (timingSafeEqual(user.digest, digest)) found = user;
  return found;
}

export function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

function entriesOf(file: Buffer): unknown[] {
  const fail = (message: string): never => {
    throw new UserListError([{ where: 'the file', message }]);
  };
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(file));
  } catch (error) {
    // The parser's own words quote the text, and with it a token.
    return fail(error instanceof SyntaxError ? `is not JSON${positionIn(error)}` : 'is not UTF-8');
  }
  return Array.isArray(parsed) ? (parsed as unknown[]) : fail('must hold one JSON array');
}

function positionIn(error: SyntaxError): string {
  const position = /at position \d+/.exec(error.message)?.[0];
  return position === undefined ? '' : ` ${position}`;
}

function faultsOf(entry: unknown): string[] {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) {
    return ['must be a JSON object'];
  }
  const fields = entry as Fields;
  const messages = Object.keys(fields).flatMap((key) =>
    NAMES.includes(key) ? [] : [unknownField(key)],
  );
  for (const [key, rule] of Object.entries(RULES)) {
    const fault = fields[key] === undefined ? null : rule(fields[key]);
    if (fault !== null) messages.push(fault);
  }
  if (fields['name'] === undefined) messages.push('name is missing');
  if ((fields['token'] === undefined) === (fields['token_sha256'] === undefined)) {
    messages.push('one of token and token_sha256 is needed, and only one');
  }
  return messages;
}

/** What stands there is not shown: somebody may have put the token where a name belongs. */
function unknownField(key: string): string {
  const meant = nearest(key, NAMES);
  const hint = meant === null ? `there are only ${NAMES.join(', ')}` : `did you mean ${meant}?`;
  return `unknown field: ${hint}`;
}

/** Of fields without faults. */
function userOf(fields: Fields): User {
  const { name, token, token_sha256, expires, max_clients, networks } = fields as {
    readonly name: string;
    readonly token?: string;
    readonly token_sha256?: string;
    readonly expires?: string;
    readonly max_clients?: number;
    readonly networks?: readonly string[];
  };
  return {
    name,
    digest: token === undefined ? Buffer.from(token_sha256 ?? '', 'hex') : digestOf(token),
    expires: expires === undefined ? null : parseEnd(expires),
    maxClients: max_clients ?? 0,
    networks: networks === undefined ? null : new Networks(networks),
  };
}

function networksFault(value: unknown): string | null {
  const allowed = 'networks is a list of IP addresses and networks such as "192.168.0.0/16"';
  if (!Array.isArray(value) || value.length === 0) return allowed;
  const entries: unknown[] = value;
  if (!entries.every((entry) => typeof entry === 'string' && !entry.includes(','))) return allowed;
  try {
    networkList().parse(entries.join(','));
    return null;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return allowed;
  }
}

function placeOf(entry: unknown, at: number): string {
  const name = (entry as { name?: unknown } | null)?.name;
  const shown = typeof name === 'string' && USER_NAME.test(name) ? ` (${name})` : '';
  return `user ${String(at + 1)}${shown}`;
}
