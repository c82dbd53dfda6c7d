import type { ChunkMark } from '../contracts.js';

/** The next byte that a client needs. */
export interface Cursor {
  readonly index: number;
  readonly offset: number;
}

/**
 * Where a joiner starts (spec 3.2): at the newest random access point that lies at least `behindMs`
 * behind the head, else at the oldest one there is, else at the oldest chunk with PAT and PMT.
 * `null` while the ring holds nothing to begin with.
 */
export function joinCursor(marks: readonly ChunkMark[], behindMs: number): Cursor | null {
  const head = marks.at(-1);
  if (head === undefined) return null;
  for (let i = marks.length - 1; i >= 0; i--) {
    const mark = marks[i];
    if (mark === undefined || head.at - mark.at < behindMs) continue;
    const join = mark.joins.at(-1);
    if (join !== undefined && mark.tables !== null) return { index: mark.index, offset: join };
  }
  return firstJoin(marks) ?? firstWithTables(marks);
}

/**
 * Where a client goes on that cannot have `from` (spec 3.3): at a random access point no older than
 * that, the newest one with the joiner's cushion if there is one, else the first. `null`: wait.
 */
export function resumeCursor(
  marks: readonly ChunkMark[],
  from: number,
  behindMs: number,
): Cursor | null {
  const ahead = marks.filter((mark) => mark.index >= from);
  if (!marks.some((mark) => mark.joins.length > 0)) return firstWithTables(ahead);
  return firstJoin(ahead) === null ? null : joinCursor(ahead, behindMs);
}

/** ms of media between the next byte that a client needs and the head; 0 when it waits for more. */
export function behindHead(marks: readonly ChunkMark[], { index }: Pick<Cursor, 'index'>): number {
  const head = marks.at(-1);
  if (head === undefined || index > head.index) return 0;
  const next = marks.findLast((mark) => mark.index <= index) ?? marks[0];
  return next === undefined ? 0 : head.at - next.at;
}

function firstJoin(marks: readonly ChunkMark[]): Cursor | null {
  for (const mark of marks) {
    const join = mark.joins[0];
    if (join !== undefined && mark.tables !== null) return { index: mark.index, offset: join };
  }
  return null;
}

function firstWithTables(marks: readonly ChunkMark[]): Cursor | null {
  const mark = marks.find(({ tables }) => tables !== null);
  return mark === undefined ? null : { index: mark.index, offset: 0 };
}
