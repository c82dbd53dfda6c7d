import { AppError } from '../../shared/errors.js';
import { KEY_TYPES, parseStreamId, type KeyType, type StreamId } from '../../shared/ids.js';
import type { ContentSelector } from '../contracts.js';

/** What an error answer says is accepted (spec 4). */
export const ACCEPTED_IDS = [
  'id=<40 hex digits>',
  'content_id=<40 hex digits>',
  'infohash=<40 hex digits>',
  'id=acestream://<40 hex digits>',
  'infohash=magnet:?xt=urn:btih:<40 hex digits or 32 base32 characters>',
] as const;

const ACESTREAM_LINK = /^acestream:\/\/([0-9a-f]{40})\/?$/i;
const MAGNET = /^magnet:\?/i;
const BTIH = /^urn:btih:(.*)$/i;
const BASE32_HASH = /^[a-z2-7]{32}$/i;
/** RFC 4648, section 6. */
const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';

/**
 * The content a player asks for, from the URL of its request (path and query). One selector, given
 * once; everything else in the query is ignored, a `pid` too, because the proxy makes its own.
 * Throws `BAD_ID` with what is accepted; what the player sent is not repeated.
 */
export function parseStreamRequest(url: string): ContentSelector {
  const query = new URLSearchParams(url.split('#', 1)[0]?.replace(/^[^?]*\??/, ''));
  const given = KEY_TYPES.flatMap((name) => query.getAll(name).map((value) => ({ name, value })));
  const [selector, second] = given;
  if (selector === undefined) throw badId('no content is named');
  if (second !== undefined) throw badId('more than one content is named');
  return parseSelector(selector.name, selector.value);
}

/** A stream named in a path, `/streams/:key`. Throws `BAD_ID`. */
export function parsePathStream(key: string): StreamId {
  const stream = parseStreamId(key);
  if (stream === null) throw new AppError('BAD_ID', { accepted: ['<40 hex digits>'] });
  return stream;
}

function parseSelector(keyType: KeyType, value: string): ContentSelector {
  const plain = parseStreamId(value);
  if (plain !== null) return { stream: plain, keyType };
  if (MAGNET.test(value)) {
    if (keyType === 'content_id') throw badId('a magnet link carries an infohash');
    return { stream: parseMagnet(value), keyType: 'infohash' };
  }
  const link = parseStreamId(ACESTREAM_LINK.exec(value)?.[1] ?? '');
  if (link === null) throw badId('this is not a content id');
  // By convention the link carries a content id, but playlists put infohashes there too (engine-api
  // 12): `id` stays a hex of unknown kind.
  if (keyType === 'infohash') throw badId('an acestream link does not carry an infohash');
  return { stream: link, keyType };
}

function parseMagnet(link: string): StreamId {
  const topics = new URLSearchParams(link.replace(MAGNET, '')).getAll('xt');
  const hashes = topics.flatMap((topic) => BTIH.exec(topic)?.[1] ?? []);
  const [hash, second] = hashes;
  if (hash === undefined || second !== undefined) throw badId('a magnet link needs one btih');
  const stream = parseStreamId(BASE32_HASH.test(hash) ? base32ToHex(hash) : hash);
  if (stream === null) throw badId('the btih of the magnet link is malformed');
  return stream;
}

/** 32 characters of 5 bits are the 160 bits of forty hex digits. */
function base32ToHex(text: string): string {
  let bits = 0n;
  for (const character of text.toLowerCase()) {
    bits = bits * 32n + BigInt(BASE32.indexOf(character));
  }
  return bits.toString(16).padStart(40, '0');
}

function badId(reason: string): AppError {
  return new AppError('BAD_ID', { reason, accepted: ACCEPTED_IDS });
}
