import { expect } from 'chai';
import fc from 'fast-check';
import type { ChunkMark } from '../../../src/worker/contracts.js';
import { joinCursor, resumeCursor } from '../../../src/worker/client/ring-choice.js';

const window: fc.Arbitrary<readonly ChunkMark[]> = fc
  .array(
    fc.record({
      gap: fc.integer({ min: 1, max: 3 }),
      ms: fc.nat(400),
      joins: fc.uniqueArray(fc.nat(9), { maxLength: 2 }),
      tables: fc.boolean(),
    }),
    { maxLength: 40 },
  )
  .map((steps) => {
    let index = 0;
    let at = 0;
    return steps.map(({ gap, ms, joins, tables }) => ({
      index: (index += gap),
      term: 1,
      at: (at += ms),
      size: 1_880,
      joins: joins.sort((a, b) => a - b).map((packet) => packet * 188),
      tables: tables ? 't' : null,
      splice: false,
    }));
  });
const behind = fc.constantFrom(0, 200, 2_000);
const playable = ({ joins, tables }: ChunkMark): boolean => joins.length > 0 && tables !== null;
const byIndex = (marks: readonly ChunkMark[], index: number): ChunkMark =>
  marks.find((mark) => mark.index === index)!;

describe('the place where a client starts', () => {
  it('is the newest random access point that is old enough, else the oldest there is', () => {
    fc.assert(
      fc.property(window, behind, (marks, behindMs) => {
        const joins = marks.filter(playable);
        fc.pre(joins.length > 0);
        const cursor = joinCursor(marks, behindMs)!;
        const chosen = byIndex(marks, cursor.index);
        const eligible = joins.filter(({ at }) => marks.at(-1)!.at - at >= behindMs);
        expect(chosen).to.equal(eligible.at(-1) ?? joins[0]);
        const wanted = eligible.length > 0 ? chosen.joins.at(-1) : chosen.joins[0];
        expect(cursor.offset).to.equal(wanted);
      }),
    );
  });

  it('is never closer to the head than asked while an older one exists', () => {
    fc.assert(
      fc.property(window, behind, (marks, behindMs) => {
        const cursor = joinCursor(marks, behindMs);
        fc.pre(cursor !== null && marks.some(playable));
        const chosen = byIndex(marks, cursor.index);
        const older = marks.filter((mark) => playable(mark) && mark.index < chosen.index);
        expect(older.length === 0 || marks.at(-1)!.at - chosen.at >= behindMs).to.equal(true);
      }),
    );
  });

  it('is the oldest chunk with tables where there is no random access point', () => {
    fc.assert(
      fc.property(window, behind, (marks, behindMs) => {
        const bare = marks.map((mark) => ({ ...mark, joins: [] }));
        const first = bare.find(({ tables }) => tables !== null);
        expect(joinCursor(bare, behindMs)).to.deep.equal(
          first === undefined ? null : { index: first.index, offset: 0 },
        );
      }),
    );
  });
});

describe('the place where a client goes on that lost its own', () => {
  const from = fc.nat(100);

  it('is never older than what it cannot have', () => {
    fc.assert(
      fc.property(window, from, behind, (marks, start, behindMs) => {
        const cursor = resumeCursor(marks, start, behindMs);
        expect(cursor === null || cursor.index >= start).to.equal(true);
      }),
    );
  });

  it('has the cushion of a joiner if there is a point with it, else is the first one', () => {
    fc.assert(
      fc.property(window, from, behind, (marks, start, behindMs) => {
        const ahead = marks.filter((mark) => mark.index >= start && playable(mark));
        const cursor = resumeCursor(marks, start, behindMs);
        fc.pre(marks.some(({ joins }) => joins.length > 0));
        if (ahead.length === 0) {
          expect(cursor).to.equal(null);
          return;
        }
        const eligible = ahead.filter(({ at }) => marks.at(-1)!.at - at >= behindMs);
        expect(cursor!.index).to.equal((eligible.at(-1) ?? ahead[0]!).index);
      }),
    );
  });
});
