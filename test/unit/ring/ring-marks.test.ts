import { expect } from 'chai';
import fc from 'fast-check';
import type { ChunkMark } from '../../../src/worker/contracts.js';
import {
  fromWire,
  RingMarks,
  toWire,
  type RingBounds,
} from '../../../src/worker/ring/ring-marks.js';
import { parseWireMark } from '../../../src/shared/redis/ring-store.js';

const mark = fc.record({
  index: fc.integer({ min: 1, max: 1e9 }),
  term: fc.integer({ min: 1, max: 1e6 }),
  at: fc.integer({ min: 0, max: 2e12 }),
  size: fc.integer({ min: 188, max: 1_061_072 }),
  joins: fc.array(fc.integer({ min: 0, max: 5_000 }).map((packet) => packet * 188)),
  tables: fc.option(fc.string(), { nil: null }),
  splice: fc.boolean(),
});

/** Ascending marks with holes, in the order of their time. */
const window = fc
  .array(fc.record({ gap: fc.integer({ min: 1, max: 5 }), ms: fc.nat(20_000), mark }), {
    maxLength: 60,
  })
  .map((steps) => {
    let index = 0;
    let at = 0;
    return steps.map((step): ChunkMark => {
      index += step.gap;
      at += step.ms;
      return { ...step.mark, index, at };
    });
  });
const bounds: fc.Arbitrary<RingBounds> = fc.record({
  maxBytes: fc.integer({ min: 1_000, max: 20_000_000 }),
  ttlMs: fc.integer({ min: 1, max: 120_000 }),
});
const sum = (marks: readonly ChunkMark[]): number =>
  marks.reduce((bytes, { size }) => bytes + size, 0);

describe('the marks of the ring', () => {
  it('stay within bytes and time, whatever is pushed, and always keep the newest', () => {
    fc.assert(
      fc.property(window, bounds, (marks, limits) => {
        const ring = new RingMarks(limits);
        const dropped: ChunkMark[] = [];
        for (const next of marks) {
          ring.push(next);
          dropped.push(...ring.trim(next.at));
          expect(ring.all.at(-1)).to.equal(next);
          expect(ring.bytes).to.equal(sum(ring.all));
          const rest = ring.all.slice(0, -1);
          expect(rest.length === 0 || ring.bytes <= limits.maxBytes).to.equal(true);
          expect(rest.every(({ at }) => next.at - at < limits.ttlMs)).to.equal(true);
        }
        // Nothing is lost and nothing told twice, and no more went than had to go.
        expect([...dropped, ...ring.all]).to.deep.equal(marks);
      }),
    );
  });

  it('drops nothing that both bounds allow', () => {
    fc.assert(
      fc.property(window, bounds, (marks, limits) => {
        const ring = new RingMarks(limits);
        ring.replace(marks);
        const now = marks.at(-1)?.at ?? 0;
        const last = ring.trim(now).at(-1);
        if (last === undefined) return;
        const tooOld = now - last.at >= limits.ttlMs;
        expect(tooOld || ring.bytes + last.size > limits.maxBytes).to.equal(true);
      }),
    );
  });

  it('finds each mark by its number and nothing in a hole', () => {
    fc.assert(
      fc.property(window, (marks) => {
        const ring = new RingMarks({ maxBytes: Infinity, ttlMs: Infinity });
        ring.replace(marks);
        for (let index = 0; index <= ring.head + 1; index++) {
          expect(ring.find(index)).to.equal(marks.find((one) => one.index === index) ?? null);
        }
      }),
    );
  });

  it('ignore a mark that is not newer', () => {
    fc.assert(
      fc.property(window, mark, (marks, older) => {
        const ring = new RingMarks({ maxBytes: Infinity, ttlMs: Infinity });
        for (const one of marks) ring.push(one);
        ring.push({ ...older, index: Math.min(older.index, ring.head) });
        expect(ring.all.length).to.equal(marks.length);
        expect(ring.bytes).to.equal(sum(marks));
      }),
    );
  });

  it('shed at least the bytes asked for, the oldest, and never the newest', () => {
    fc.assert(
      fc.property(window, fc.nat(5_000_000), (marks, bytes) => {
        const ring = new RingMarks({ maxBytes: Infinity, ttlMs: Infinity });
        ring.replace(marks);
        const gone = ring.shed(bytes);
        expect([...gone, ...ring.all]).to.deep.equal(marks);
        expect(ring.all.at(-1)).to.equal(marks.at(-1));
        expect(sum(gone) >= bytes || ring.all.length <= 1).to.equal(true);
        expect(sum(gone.slice(0, -1)) < bytes || gone.length === 0).to.equal(true);
        expect(ring.bytes).to.equal(sum(ring.all));
      }),
    );
  });

  it('survive the wire', () => {
    fc.assert(
      fc.property(mark, (one) => {
        const wire = parseWireMark(JSON.stringify(toWire(one)));
        expect(wire && fromWire(wire)).to.deep.equal(one);
      }),
    );
  });

  it('refuse what is no mark', () => {
    for (const text of ['', 'null', '{}', '[]', '{"i":1}', '{"i":1,"s":"x","j":[]}', '7']) {
      expect(parseWireMark(text), text).to.equal(null);
    }
  });
});
