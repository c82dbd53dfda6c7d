import { KEY_TYPES, parseStreamId, type KeyType, type StreamId } from './ids.js';

/** What a link names: the hex, and how the engine is to be asked for it. */
export interface Content {
  readonly stream: StreamId;
  readonly keyType: KeyType;
}

/** Why a text names no content, as the end of a sentence. */
export interface LinkFault {
  readonly fault: string;
}

const ACESTREAM_LINK = /^acestream:\/\/([0-9a-f]{40})\/?$/i;
const MAGNET = /^magnet:\?/i;
const BTIH = /^urn:btih:(.*)$/i;
const BASE32_HASH = /^[a-z2-7]{32}$/i;
/** RFC 4648, section 6. */
const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';

/** The one content that a query names; everything else in the query is ignored. */
export function contentOfQuery(query: URLSearchParams): Content | LinkFault {
  const given = KEY_TYPES.flatMap((name) => query.getAll(name).map((value) => ({ name, value })));
  const [selector, second] = given;
  if (selector === undefined) return { fault: 'no content is named' };
  if (second !== undefined) return { fault: 'more than one content is named' };
  return contentOf(selector.name, selector.value);
}

/** Forty hex digits, an `acestream://` link or a `magnet:` link, given under this name. */
export function contentOf(keyType: KeyType, value: string): Content | LinkFault {
  const plain = parseStreamId(value);
  if (plain !== null) return { stream: plain, keyType };
  if (MAGNET.test(value)) {
    return keyType === 'content_id'
      ? { fault: 'a magnet link carries an infohash' }
      : contentOfMagnet(value);
  }
  const link = parseStreamId(ACESTREAM_LINK.exec(value)?.[1] ?? '');
  if (link === null) return { fault: 'this is not a content id' };
  // By convention the link carries a content id, but playlists put infohashes there too (engine-api
  // 12): `id` stays a hex of unknown kind.
  if (keyType === 'infohash') return { fault: 'an acestream link does not carry an infohash' };
  return { stream: link, keyType };
}

function contentOfMagnet(link: string): Content | LinkFault {
  const topics = new URLSearchParams(link.replace(MAGNET, '')).getAll('xt');
  const hashes = topics.flatMap((topic) => BTIH.exec(topic)?.[1] ?? []);
  const [hash, second] = hashes;
  if (hash === undefined || second !== undefined) return { fault: 'a magnet link needs one btih' };
  const stream = parseStreamId(BASE32_HASH.test(hash) ? base32ToHex(hash) : hash);
  if (stream === null) return { fault: 'the btih of the magnet link is malformed' };
  return { stream, keyType: 'infohash' };
}

/** 32 characters of 5 bits are the 160 bits of forty hex digits. */
function base32ToHex(text: string): string {
  let bits = 0n;
  for (const character of text.toLowerCase()) {
    bits = bits * 32n + BigInt(BASE32.indexOf(character));
  }
  return bits.toString(16).padStart(40, '0');
}
