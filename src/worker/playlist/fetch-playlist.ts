import type { LookupAddress } from 'node:dns';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { AppError } from '../../shared/errors.js';
import { bounded } from '../engine/bounded.js';
import { HttpFailure, openHttp, readWhole, type HttpAnswer } from '../engine/http-door.js';
import { isPublicAddress } from './public-address.js';
import { isPlaylist, MAX_PLAYLIST_BYTES } from './rewrite.js';

/**
 * The playlist at a foreign address. Throws `BAD_REQUEST`, `PLAYLIST_ADDRESS_REFUSED` or
 * `PLAYLIST_FETCH_FAILED`.
 */
export type PlaylistFetch = (address: string) => Promise<Buffer>;

export interface FetchInputs {
  /** `public`: nothing but hosts on the public internet is contacted, also behind a redirect. */
  readonly scope: 'public' | 'any';
  /** ms for everything: names, redirects, the body. */
  readonly timeoutMs?: number;
  /** All addresses of a name. */
  readonly resolve?: (host: string) => Promise<readonly LookupAddress[]>;
  readonly open?: typeof openHttp;
}

const TIMEOUT_MS = 10_000;
const MAX_REDIRECTS = 3;
const MAX_ADDRESS_CHARACTERS = 4_096;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** IPv4 first: many networks have no way out for the other. */
function resolveAll(host: string): Promise<LookupAddress[]> {
  return lookup(host, { all: true, verbatim: false });
}

/**
 * A name is resolved once, all its addresses are looked at, and the connection goes to the first of
 * them: a name that answers differently the second time gains nothing. Redirects are followed by
 * hand, each with the same checks.
 */
export function makePlaylistFetch(inputs: FetchInputs): PlaylistFetch {
  const { scope, timeoutMs = TIMEOUT_MS, resolve = resolveAll, open = openHttp } = inputs;

  const addressOf = async (url: URL, signal: AbortSignal): Promise<LookupAddress> => {
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
    const family = isIP(host);
    const found = family === 0 ? await unless(signal, resolve(host)) : [{ address: host, family }];
    const [first] = found;
    if (first === undefined) throw failed(`the name has no address`);
    if (scope === 'public' && !found.every(({ address }) => isPublicAddress(address))) {
      throw new AppError('PLAYLIST_ADDRESS_REFUSED');
    }
    return first;
  };

  const follow = async (start: URL, signal: AbortSignal): Promise<Buffer> => {
    let url = start;
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
      const address = await addressOf(url, signal);
      const answer = await open({ url, address, connectTimeoutMs: timeoutMs, signal });
      try {
        const target = redirectOf(answer, url);
        if (target === null) return await bodyOf(answer, signal);
        url = target;
      } finally {
        await answer.close();
      }
    }
    throw failed(`it redirects more than ${String(MAX_REDIRECTS)} times`);
  };

  return async (address) => {
    const url = parseAddress(address);
    const late = (): Error => failed(`it took longer than ${String(timeoutMs)} ms`);
    try {
      return await bounded({ ms: timeoutMs, late }, (signal) => follow(url, signal));
    } catch (thrown) {
      throw toFetchError(thrown);
    }
  };
}

function parseAddress(address: string): URL {
  const url =
    address.length <= MAX_ADDRESS_CHARACTERS && URL.canParse(address) ? new URL(address) : null;
  if (url === null || !isWeb(url)) {
    throw new AppError('BAD_REQUEST', { reasons: ['url is one http or https address'] });
  }
  return url;
}

function redirectOf(answer: HttpAnswer, url: URL): URL | null {
  if (!REDIRECTS.has(answer.status)) return null;
  const { location } = answer;
  if (location === null || !URL.canParse(location, url.href)) {
    throw failed('it redirects to nowhere');
  }
  const target = new URL(location, url);
  if (!isWeb(target)) throw failed('it redirects to what is neither http nor https');
  return target;
}

async function bodyOf(answer: HttpAnswer, signal: AbortSignal): Promise<Buffer> {
  if (answer.status !== 200) throw failed(`HTTP ${String(answer.status)}`);
  const body = await readWhole(answer, MAX_PLAYLIST_BYTES, signal);
  // Whatever else is there, a page of an inner network above all, is nobody's business here.
  if (!isPlaylist(body)) throw failed('it is no playlist');
  return body;
}

function isWeb(url: URL): boolean {
  return url.protocol === 'http:' || url.protocol === 'https:';
}

/** Looking a name up cannot be cancelled, only left alone. */
async function unless<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  let onAbort = (): void => undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => {
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Failures of names and connections carry a code; everything else is ours or a defect. */
function toFetchError(thrown: unknown): unknown {
  if (thrown instanceof AppError) return thrown;
  if (thrown instanceof HttpFailure) return failed(thrown.code, thrown);
  const { code, syscall } = thrown as NodeJS.ErrnoException;
  return code !== undefined && syscall === 'getaddrinfo' ? failed(code, thrown) : thrown;
}

function failed(reason: string, cause?: unknown): AppError {
  return new AppError('PLAYLIST_FETCH_FAILED', { reason }, cause);
}
