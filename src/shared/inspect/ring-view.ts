import type { Fields } from './fields.js';

/** The ring as its marks describe it: what a joiner could still get. */
export interface RingView {
  /** Newest and oldest chunk number; `null` while the ring is empty. */
  readonly head: number | null;
  readonly tail: number | null;
  readonly chunks: number;
  readonly bytes: number;
  /** Seconds between the cutting of the oldest and the newest chunk. */
  readonly seconds: number;
  readonly term: number | null;
  /** Places where a player can begin. */
  readonly joins: number;
  readonly splices: number;
}

interface Mark {
  readonly index: number;
  readonly term: number;
  readonly at: number;
  readonly size: number;
  readonly joins: number;
  readonly splice: boolean;
}

const CHUNK_FIELD = /^\d+$/;

/**
 * `marks` is the hash `buffer:marks`: chunk number → JSON `{"i","t","at","s","j","tb","sp"}`; fields
 * that are no number (`tables:<name>`) are not chunks. `index` is the value of `buffer:index`, which
 * is the truth about the head: marks are only as new as the last append that was seen.
 */
export function ringView(marks: Fields, index: string | null): RingView {
  const known = Object.entries(marks)
    .filter(([field]) => CHUNK_FIELD.test(field))
    .map(([, json]) => parseMark(json))
    .filter((mark) => mark !== null)
    .sort((a, b) => a.index - b.index);
  const oldest = known.at(0);
  const newest = known.at(-1);
  const head = index === null || !CHUNK_FIELD.test(index) ? newest?.index : Number(index);
  return {
    head: head ?? null,
    tail: oldest?.index ?? null,
    chunks: known.length,
    bytes: known.reduce((sum, mark) => sum + mark.size, 0),
    seconds: oldest && newest ? Math.max(0, newest.at - oldest.at) / 1_000 : 0,
    term: newest?.term ?? null,
    joins: known.reduce((sum, mark) => sum + mark.joins, 0),
    splices: known.filter((mark) => mark.splice).length,
  };
}

function parseMark(json: string): Mark | null {
  try {
    const { i, t, at, s, j, sp } = JSON.parse(json) as Record<string, unknown>;
    if (![i, t, at, s].every(Number.isFinite)) return null;
    return {
      index: i as number,
      term: t as number,
      at: at as number,
      size: s as number,
      joins: Array.isArray(j) ? j.length : 0,
      splice: sp === 1,
    };
  } catch {
    return null;
  }
}
