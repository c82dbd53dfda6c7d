import { timingSafeEqual } from 'node:crypto';
import type { ErrorCode } from '../../shared/errors.js';
import { isSigned, type SignedTarget } from '../../shared/signed-url.js';
import type { Credential } from './credential.js';
import type { Networks } from './networks.js';
import { digestOf, userOfDigest, type User, type UserList } from './user-list.js';

/** What the operator has configured, at this moment. */
export interface MediaRules {
  /** Where players may be; `null`: everywhere. */
  readonly networks: Networks | null;
  /** SHA-256 of the tokens that everybody shares. */
  readonly tokens: readonly Buffer[];
  /** SHA-256 of the API key: who may manage the proxy may watch too. */
  readonly apiKey: Buffer;
  /** `off`: none are configured; `faulty`: there never was a good list. */
  readonly users: UserList | 'off' | 'faulty';
  /** Secrets of signed addresses; the first one signs. */
  readonly secrets: readonly string[];
}

/** What is asked for media, and by whom. */
export interface MediaAsk {
  /** Behind the trusted proxies. */
  readonly address: string;
  readonly credential: Credential;
  /** What the address of the request opens; `null` when it cannot be signed. */
  readonly target: SignedTarget | null;
}

/** What the addresses of a playlist are to carry for whoever asked for it. */
export type Carried =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'token'; readonly token: string }
  | {
      readonly kind: 'signature';
      readonly secret: string;
      readonly expires: number;
      readonly user: string | null;
    };

export type Verdict =
  | { readonly allowed: true; readonly user: string | null; readonly carried: Carried }
  | {
      readonly allowed: false;
      readonly code: ErrorCode;
      /** True when something wrong was shown, which may have been a guess. */
      readonly guess: boolean;
    };

const NOTHING: Carried = { kind: 'nothing' };

/** True when media needs more than the right network. */
function needsCredential({ tokens, users, secrets }: MediaRules): boolean {
  return tokens.length > 0 || users !== 'off' || secrets.length > 0;
}

/** Whether this request may have media at `now` (ms since the epoch). */
export function decideMedia(rules: MediaRules, ask: MediaAsk, now: number): Verdict {
  if (rules.networks?.has(ask.address) === false) return refused('NETWORK_REFUSED');
  if (!needsCredential(rules)) return { allowed: true, user: null, carried: NOTHING };
  const { credential } = ask;
  switch (credential.kind) {
    case 'none':
      return refused('TOKEN_NEEDED');
    case 'malformed':
      return refused(credential.of === 'token' ? 'TOKEN_REFUSED' : 'SIGNATURE_REFUSED', true);
    case 'token':
      return decideToken(rules, ask, credential, now);
    case 'signature':
      return decideSignature(rules, ask, credential, now);
  }
}

/** Why a user may not watch from this address at `now`, or `null`. */
function userFault(user: User, address: string, now: number): ErrorCode | null {
  if (hasExpired(user, now)) return 'TOKEN_EXPIRED';
  return user.networks?.has(address) === false ? 'NETWORK_REFUSED' : null;
}

export function hasExpired({ expires }: User, now: number): boolean {
  return expires !== null && now >= expires;
}

function decideToken(
  rules: MediaRules,
  { address }: MediaAsk,
  { token, from }: Extract<Credential, { kind: 'token' }>,
  now: number,
): Verdict {
  const digest = digestOf(token);
  if (from === 'header' && timingSafeEqual(digest, rules.apiKey)) {
    // The key of the operator never goes into a playlist.
    return { allowed: true, user: null, carried: NOTHING };
  }
  const carried: Carried = { kind: 'token', token };
  const shared = rules.tokens.map((known) => timingSafeEqual(digest, known)).includes(true);
  if (shared) return { allowed: true, user: null, carried };
  if (rules.users === 'faulty') return refused('BAD_USERS');
  const user = rules.users === 'off' ? null : userOfDigest(rules.users, digest);
  if (user === null) return refused('TOKEN_REFUSED', true);
  const fault = userFault(user, address, now);
  return fault === null ? { allowed: true, user: user.name, carried } : refused(fault);
}

function decideSignature(
  rules: MediaRules,
  { address, target }: MediaAsk,
  { expires, user, signature }: Extract<Credential, { kind: 'signature' }>,
  now: number,
): Verdict {
  const { secrets, users } = rules;
  const [secret] = secrets;
  const signed = target !== null && isSigned(secrets, { ...target, expires, user }, signature);
  if (secret === undefined || !signed) return refused('SIGNATURE_REFUSED', true);
  if (now >= expires * 1_000) return refused('SIGNATURE_EXPIRED');
  if (user !== null && users === 'faulty') return refused('BAD_USERS');
  if (user !== null && users !== 'off' && users !== 'faulty') {
    const known = users.get(user);
    // The signature is right: the user was taken out of the list since.
    const fault = known === undefined ? 'TOKEN_REFUSED' : userFault(known, address, now);
    if (fault !== null) return refused(fault);
  }
  return { allowed: true, user, carried: { kind: 'signature', secret, expires, user } };
}

function refused(code: ErrorCode, guess = false): Verdict {
  return { allowed: false, code, guess };
}
