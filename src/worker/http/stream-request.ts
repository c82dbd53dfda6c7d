import { contentOfQuery } from '../../shared/content-link.js';
import { AppError } from '../../shared/errors.js';
import { parseStreamId, type StreamId } from '../../shared/ids.js';
import type { ContentSelector } from '../contracts.js';

/** What an error answer says is accepted (spec 4). */
export const ACCEPTED_IDS = [
  'id=<40 hex digits>',
  'content_id=<40 hex digits>',
  'infohash=<40 hex digits>',
  'id=acestream://<40 hex digits>',
  'infohash=magnet:?xt=urn:btih:<40 hex digits or 32 base32 characters>',
] as const;

/**
 * The content a player asks for, from the URL of its request (path and query). One selector, given
 * once; everything else in the query is ignored, a `pid` too, because the proxy makes its own.
 * Throws `BAD_ID` with what is accepted; what the player sent is not repeated.
 */
export function parseStreamRequest(url: string): ContentSelector {
  const query = new URLSearchParams(url.split('#', 1)[0]?.replace(/^[^?]*\??/, ''));
  const found = contentOfQuery(query);
  if ('fault' in found) {
    throw new AppError('BAD_ID', { reason: found.fault, accepted: ACCEPTED_IDS });
  }
  return found;
}

/** A stream named in a path, `/streams/:key`. Throws `BAD_ID`. */
export function parsePathStream(key: string): StreamId {
  const stream = parseStreamId(key);
  if (stream === null) throw new AppError('BAD_ID', { accepted: ['<40 hex digits>'] });
  return stream;
}
