import { createHmac, timingSafeEqual } from 'node:crypto';
import { contentOfQuery, type Content } from './content-link.js';

/**
 * Addresses that open one thing until a certain time, for whoever has them: `expires`, `user` and
 * `signature` in the query of a media address. Shared by the workers and scripts/sign-url.mjs.
 */

/** What an address opens. */
export interface SignedTarget {
  /** As the proxy serves it, in lower case: without the prefix of a reverse proxy. */
  readonly path: string;
  /** `id=<hex>`, `content_id=<hex>` or `infohash=<hex>`; empty where the path says it all. */
  readonly content: string;
}

export interface SignedAddress extends SignedTarget {
  /** Seconds since the epoch. */
  readonly expires: number;
  readonly user: string | null;
}

/** Parts of the text that is signed cannot hold this. */
const SEPARATOR = '\n';
/** Keeps these signatures apart from any other use of the secret. */
const PURPOSE = 'acestream-proxy-url-1';
const SIGNED_PATH = /\/(?:(ace\/getstream)|ace\/alias\/([^/]+)|(playlist\.m3u))\/?$/i;
/** Grammar of user names: they become part of a key in Redis. */
export const USER_NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;
/** Until the year 2286. */
const EXPIRES = /^[1-9]\d{0,9}$/;

/** What the address with this path and query opens; `null` when it cannot be signed. */
export function signedTarget(pathname: string, query: URLSearchParams): SignedTarget | null {
  const [, stream, alias, playlist] = SIGNED_PATH.exec(pathname) ?? [];
  if (playlist !== undefined) return { path: '/playlist.m3u', content: '' };
  if (alias !== undefined) {
    const name = decoded(alias);
    // Whatever an alias may be, it is one line.
    if (name === null || name.includes(SEPARATOR)) return null;
    return { path: `/ace/alias/${name.toLowerCase()}`, content: '' };
  }
  const content = stream === undefined ? { fault: '' } : contentOfQuery(query);
  return 'fault' in content ? null : streamTarget(content);
}

export function streamTarget({ keyType, stream }: Content): SignedTarget {
  return { path: '/ace/getstream', content: `${keyType}=${stream}` };
}

/** HMAC-SHA256, base64url. */
export function signatureOf(secret: string, address: SignedAddress): string {
  return hmac(secret, address).toString('base64url');
}

/** Whether one of the secrets made this signature; all of them are tried, in constant time. */
export function isSigned(
  secrets: readonly string[],
  address: SignedAddress,
  signature: string,
): boolean {
  const given = Buffer.from(signature, 'base64url');
  const same = secrets.map((secret) => {
    const right = hmac(secret, address);
    return given.length === right.length && timingSafeEqual(given, right);
  });
  return same.includes(true);
}

/** What goes behind the address of a stream to make it a signed one; begins with `&`. */
export function signedQuery(secret: string, address: SignedAddress): string {
  const user = address.user === null ? '' : `&user=${address.user}`;
  const signature = signatureOf(secret, address);
  return `&expires=${String(address.expires)}${user}&signature=${signature}`;
}

/** The signed form of a media address; `null` when it is none. A signature that it has is replaced. */
export function signUrl(
  url: string,
  secret: string,
  { expires, user }: Pick<SignedAddress, 'expires' | 'user'>,
): string | null {
  if (!URL.canParse(url)) return null;
  const signed = new URL(url);
  for (const name of ['expires', 'user', 'signature']) signed.searchParams.delete(name);
  const target = signedTarget(signed.pathname, signed.searchParams);
  if (target === null) return null;
  signed.searchParams.set('expires', String(expires));
  if (user !== null) signed.searchParams.set('user', user);
  signed.searchParams.set('signature', signatureOf(secret, { ...target, expires, user }));
  return signed.href;
}

/** Seconds since the epoch as an address has them, or `null`. */
export function parseExpires(text: string): number | null {
  return EXPIRES.test(text) ? Number(text) : null;
}

function hmac(secret: string, { path, content, expires, user }: SignedAddress): Buffer {
  const text = [PURPOSE, path, content, String(expires), user ?? ''].join(SEPARATOR);
  return createHmac('sha256', secret).update(text).digest();
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
