import {
  contentOf,
  contentOfQuery,
  type Content,
  type LinkFault,
} from '../../shared/content-link.js';
import { parseStreamId } from '../../shared/ids.js';
import type { ContentSelector } from '../contracts.js';

/** Most lines of a big playlist hold no stream of ours: they cost one look. */
const MAY_BE_ONE = /[0-9a-f]{40}|btih/i;
/** Longer lines are no addresses; a bound for the work on one line. */
const MAX_CHARACTERS = 4_096;

const ACESTREAM_LINK = /^acestream:\/\/([0-9a-f]{40})\/?(?:\?(.*))?$/i;
/** The vendor's own form: `acestream:?content_id=…`, `infohash=…` or `magnet=…`. */
const ACESTREAM_QUERY = /^acestream:\?(.*)$/i;
const HTTP_URL = /^https?:\/\/\S+$/i;
/** An engine, this proxy or one like it, also below a path prefix. */
const START_PATH = /\/ace\/(?:getstream|manifest\.m3u8)\/?$/i;
/** HTTPAceProxy and its like; `pid` is the old word for a content id. */
const ID_IN_PATH = /^\/(pid|content_id|infohash)\/([0-9a-f]{40})(?:\/.*)?$/i;
const STREAM_PATH = /^\/stream\/([0-9a-f]{40})\/?$/i;
/** Which file of a content with several: only the first one is played here. */
const FILE_INDEX = ['_idx', 'file_indexes', 'index'];

/**
 * The stream that an address of a playlist names, in one of the forms of engine-api 12, or `null`
 * when it is none or when this proxy could not play the same thing.
 */
export function streamOf(address: string): ContentSelector | null {
  if (address.length > MAX_CHARACTERS || !MAY_BE_ONE.test(address)) return null;
  const found = contentOf('id', address);
  if (!('fault' in found)) return found;
  return HTTP_URL.test(address) ? streamOfUrl(address) : streamOfLink(address);
}

function streamOfLink(link: string): ContentSelector | null {
  const [, hex, options] = ACESTREAM_LINK.exec(link) ?? [];
  if (hex !== undefined) {
    return isFirstFile(new URLSearchParams(options)) ? known(contentOf('id', hex)) : null;
  }
  const query = ACESTREAM_QUERY.exec(link)?.[1];
  if (query === undefined) return null;
  const named = new URLSearchParams(query);
  for (const magnet of named.getAll('magnet')) named.append('infohash', magnet);
  return streamOfQuery(named);
}

function streamOfUrl(address: string): ContentSelector | null {
  if (!URL.canParse(address)) return null;
  const { pathname, searchParams } = new URL(address);
  if (START_PATH.test(pathname)) return streamOfQuery(searchParams);
  if (!isFirstFile(searchParams)) return null;
  const [, name = '', hex = ''] = ID_IN_PATH.exec(pathname) ?? [];
  const stream = parseStreamId(STREAM_PATH.exec(pathname)?.[1] ?? hex);
  if (stream === null) return null;
  const kind = name.toLowerCase();
  return { stream, keyType: kind === 'content_id' || kind === 'infohash' ? kind : 'id' };
}

function streamOfQuery(query: URLSearchParams): ContentSelector | null {
  return isFirstFile(query) ? known(contentOfQuery(query)) : null;
}

function isFirstFile(query: URLSearchParams): boolean {
  return FILE_INDEX.every((name) =>
    query.getAll(name).every((value) => value === '' || value === '0'),
  );
}

function known(found: Content | LinkFault): ContentSelector | null {
  return 'fault' in found ? null : found;
}
