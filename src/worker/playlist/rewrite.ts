import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ContentSelector } from '../contracts.js';
import { streamOf } from './stream-link.js';

/** Bytes; of a playlist that is sent, fetched or read. 20,000 channels with logos. */
export const MAX_PLAYLIST_BYTES = 2 * 1_024 * 1_024;

/**
 * Text of unknown encoding as one character a byte: what is looked for is ASCII in every encoding
 * that playlists come in, and the rest must come out as it went in.
 */
const BYTES = 'latin1';
const LINES = /[^\r\n]+/g;
const BYTE_ORDER_MARK = '\xef\xbb\xbf';
/** Bytes that are rewritten in one turn of the event loop: some 10 ms where each address is signed. */
const SLICE_BYTES = 32_768;
/** What Kodi and its like take from behind an address: `|User-Agent=…&Referer=…`. A name may have a bar too. */
const OPTIONS = /\|[\w-]+=/;
const HEADING = /^(?:\xef\xbb\xbf)?\s*#EXTM3U/i;

export interface RewrittenPlaylist {
  readonly bytes: Buffer;
  /** How many addresses were replaced. */
  readonly streams: number;
}

/** What the query of an address ends with, from `&` on; empty where nothing more is needed. */
export type QueryEnd = (content: ContentSelector) => string;

const nothingMore: QueryEnd = () => '';

/** Where this proxy plays the stream; `base` has no trailing slash. */
export function playUrl(base: string, content: ContentSelector, more = nothingMore): string {
  return `${base}/ace/getstream?${content.keyType}=${content.stream}${more(content)}`;
}

/**
 * Any M3U with every stream this proxy can play under `base`, and with every other byte as it was:
 * attributes, comments, ends of lines, foreign streams. Options for the player behind a `|` stay.
 */
export function rewritePlaylist(
  playlist: Buffer,
  base: string,
  more?: QueryEnd,
): RewrittenPlaylist {
  let streams = 0;
  const text = playlist.toString(BYTES).replace(LINES, (line) => {
    const found = streamLine(line);
    if (found === null) return line;
    streams += 1;
    return `${found.before}${playUrl(base, found.content, more)}${found.after}`;
  });
  return { bytes: Buffer.from(text, BYTES), streams };
}

/** As `rewritePlaylist`, with turns of the event loop in between: a large one must not hold media back. */
export async function rewriteInSlices(
  playlist: Buffer,
  base: string,
  more?: QueryEnd,
): Promise<Buffer> {
  const slices: Buffer[] = [];
  let from = 0;
  while (from < playlist.length) {
    if (from > 0) await nextTurn();
    const end = lineEnd(playlist, from + SLICE_BYTES);
    slices.push(rewritePlaylist(playlist.subarray(from, end), base, more).bytes);
    from = end;
  }
  return Buffer.concat(slices);
}

/** True when somebody who asked for a playlist got one: it says so, or it has a stream. */
export function isPlaylist(playlist: Buffer): boolean {
  const text = playlist.toString(BYTES);
  return HEADING.test(text) || linesOf(text).some((line) => streamLine(line) !== null);
}

/** The lines with content, without their ends. */
export function playlistLines(playlist: Buffer): string[] {
  return linesOf(playlist.toString(BYTES));
}

interface StreamLine {
  readonly before: string;
  readonly content: ContentSelector;
  readonly after: string;
}

/** The stream that a line is the address of, and what stands round the address; else `null`. */
export function streamLine(line: string): StreamLine | null {
  const { before, address, after } = parts(line);
  if (address === '' || address.startsWith('#')) return null;
  for (const end of [address.search(OPTIONS), address.length, address.indexOf('|')]) {
    const content = end < 0 ? null : streamOf(address.slice(0, end));
    if (content !== null) return { before, content, after: address.slice(end) + after };
  }
  return null;
}

/** By hand: `trim` takes bytes away that are halves of characters here, and a pattern backtracks. */
function parts(line: string): { before: string; address: string; after: string } {
  let start = line.startsWith(BYTE_ORDER_MARK) ? BYTE_ORDER_MARK.length : 0;
  let end = line.length;
  while (start < end && isBlank(line[start])) start += 1;
  while (end > start && isBlank(line[end - 1])) end -= 1;
  return { before: line.slice(0, start), address: line.slice(start, end), after: line.slice(end) };
}

/** The place behind the first end of a line from `from` on. */
function lineEnd(playlist: Buffer, from: number): number {
  const ends = ['\n', '\r'].map((end) => playlist.indexOf(end, from)).filter((at) => at >= 0);
  return ends.length === 0 ? playlist.length : Math.min(...ends) + 1;
}

function isBlank(character: string | undefined): boolean {
  return character === ' ' || character === '\t';
}

function linesOf(text: string): string[] {
  return text.match(LINES) ?? [];
}
