import { parseExpires, USER_NAME } from '../../shared/signed-url.js';

/** What a request shows to be let in. */
export type Credential =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'token';
      readonly token: string;
      /** A header is not what people copy into a playlist: the API key is taken from there only. */
      readonly from: 'path' | 'query' | 'header';
    }
  | {
      readonly kind: 'signature';
      readonly expires: number;
      readonly user: string | null;
      readonly signature: string;
    }
  /** Doubled, or of a form that no right one has. */
  | { readonly kind: 'malformed'; readonly of: 'token' | 'signature' };

/** A token in an address needs no escape (RFC 3986, unreserved); the settings allow the same. */
export const TOKEN = /^[A-Za-z0-9._~-]{8,128}$/;
/** The paths that players are given: nothing else is served below a token. */
const PATH_TOKEN =
  /^\/t\/([^/?#]{1,512})(\/(?:ace\/getstream|ace\/alias\/[^/?#]+|playlist\.m3u)\/?(?:\?.*)?)$/is;
const BEARER = /^Bearer +(\S+) *$/i;
/** 32 bytes. */
const SIGNATURE = /^[A-Za-z0-9_-]{43}$/;

/** `/t/<token>/ace/getstream?…` taken apart; `token` is `null` where the path has none. */
export function splitPathToken(url: string): {
  readonly token: string | null;
  readonly url: string;
} {
  const [, token, rest] = PATH_TOKEN.exec(url) ?? [];
  return token === undefined || rest === undefined ? { token: null, url } : { token, url: rest };
}

/** The token of an `Authorization: Bearer` header. */
export function bearerOf(authorization: string | undefined): string | null {
  return BEARER.exec(authorization ?? '')?.[1] ?? null;
}

/** The credential that counts: in the path, then `token`, then `signature`, then the header. */
export function readCredential(
  pathToken: string | null,
  query: URLSearchParams,
  authorization: string | undefined,
): Credential {
  if (pathToken !== null) return tokenOf(pathToken, 'path');
  const [token, secondToken] = query.getAll('token');
  if (secondToken !== undefined) return { kind: 'malformed', of: 'token' };
  if (token !== undefined) return tokenOf(token, 'query');
  if (query.has('signature')) return signatureIn(query);
  const bearer = bearerOf(authorization);
  return bearer === null ? { kind: 'none' } : { kind: 'token', token: bearer, from: 'header' };
}

function tokenOf(token: string, from: 'path' | 'query'): Credential {
  return TOKEN.test(token) ? { kind: 'token', token, from } : { kind: 'malformed', of: 'token' };
}

function signatureIn(query: URLSearchParams): Credential {
  const malformed = { kind: 'malformed', of: 'signature' } as const;
  const names = ['signature', 'expires', 'user'] as const;
  if (names.some((name) => query.getAll(name).length > 1)) return malformed;
  const [signature, expiry, user] = names.map((name) => query.get(name));
  const expires = parseExpires(expiry ?? '');
  if (!SIGNATURE.test(signature ?? '') || expires === null) return malformed;
  if (user !== null && user !== undefined && !USER_NAME.test(user)) return malformed;
  return { kind: 'signature', expires, user: user ?? null, signature: signature ?? '' };
}
