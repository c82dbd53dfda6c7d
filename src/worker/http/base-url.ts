import type { Request } from 'express';
import { AppError } from '../../shared/errors.js';

/** A name or an address with an optional port: what may stand in an address of a playlist. */
const HOST = /^(?:[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$/i;
const PORT = /:\d{1,5}$/;
const FORWARDED_PORT = /^[1-9]\d{0,4}$/;
const FORWARDED_PREFIX = /^(?:\/[\w.~-]+)+$/;
/** Proxies behind proxies often send the port of the inner one; these two say nothing. */
const USUAL_PORTS: ReadonlySet<string> = new Set(['80', '443']);

/**
 * What the addresses in a playlist begin with, without a trailing slash: the configured URL, or the
 * way the request came. `X-Forwarded-Proto`, `-Host`, `-Port` and `-Prefix` count when a trusted
 * proxy sent them. Throws `BAD_REQUEST` where no usable `Host` was sent.
 */
export function baseUrl(request: Request, publicUrl: string | null): string {
  if (publicUrl !== null) return publicUrl;
  // Express's own reading of both minds `trust proxy`.
  const scheme = request.protocol === 'https' ? 'https' : 'http';
  const host: unknown = request.host;
  if (typeof host !== 'string' || !HOST.test(host) || !URL.canParse(`${scheme}://${host}`)) {
    throw new AppError('BAD_REQUEST', { reasons: ['the Host header names no host'] });
  }
  const port = forwarded(request, 'x-forwarded-port') ?? '';
  const isNews = FORWARDED_PORT.test(port) && !USUAL_PORTS.has(port) && !PORT.test(host);
  const prefix = forwarded(request, 'x-forwarded-prefix')?.replace(/\/+$/, '') ?? '';
  return `${scheme}://${host}${isNews ? `:${port}` : ''}${FORWARDED_PREFIX.test(prefix) ? prefix : ''}`;
}

/** The header, when the proxy that sent it is trusted; the first of several is the outermost. */
function forwarded(request: Request, name: string): string | undefined {
  const trust = request.app.get('trust proxy fn') as (address: string, hop: number) => boolean;
  if (!trust(request.socket.remoteAddress ?? '', 0)) return undefined;
  return request.get(name)?.split(',', 1)[0]?.trim();
}
