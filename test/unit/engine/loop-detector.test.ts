import { expect } from 'chai';
import fc from 'fast-check';
import {
  LOOP_MEMORY,
  LoopDetector,
  LoopKind,
  NO_LOOP,
  type Segment,
} from '../../../src/worker/engine/loop-detector.js';

const SECOND = 90_000;
/** Segments that a distance needs before it is followed. */
const CONTEXT = 4;
const WRAP = 2 ** 33;

/** Segments of one second with prints of their own, time stamps running from `from`. */
function media(first: number, count: number, from = first * SECOND): Segment[] {
  return Array.from({ length: count }, (_, n) => ({
    print: Math.imul(first + n + 1, 0x9e3779b1) >>> 0,
    stamp: (from + n * SECOND) % WRAP,
    ticks: SECOND,
    rich: true,
  }));
}

/** The same media with time stamps that run on from `from`. */
function restamped(segments: readonly Segment[], from: number): Segment[] {
  return segments.map((segment, n) => ({
    ...segment,
    stamp: (from + n * SECOND) % WRAP,
  }));
}

/** The kinds that were found on the way, each once. */
function kindsOf(segments: readonly Segment[], liveFrozen = false): LoopKind[] {
  const detector = new LoopDetector();
  const kinds = new Set<LoopKind>();
  for (const segment of segments) {
    detector.push(segment);
    kinds.add(detector.verdict(liveFrozen).kind);
  }
  kinds.delete(LoopKind.None);
  return [...kinds];
}

function repeated(pass: readonly Segment[], times: number): Segment[] {
  return Array.from({ length: times }, () => pass).flat();
}

function runningOn(pass: readonly Segment[], times: number): Segment[] {
  return restamped(repeated(pass, times), 7 * SECOND);
}

describe('the loop detector', () => {
  it('finds old media that is sent again, within a pass and two segments', () => {
    fc.assert(
      fc.property(fc.nat(50), fc.integer({ min: 1, max: 59 }), (before, length) => {
        const detector = new LoopDetector();
        const pass = media(1_000, length);
        const needed = Math.min(60, Math.max(length + 2, 10));
        const rest = repeated(pass, Math.ceil((length + needed) / length) + 1);
        const segments = [...media(0, before), ...rest];
        const found = segments.findIndex((segment) => {
          detector.push(segment);
          return detector.verdict(false).kind === LoopKind.Replay;
        });
        expect(found).to.equal(before + length + needed - 1);
        expect(detector.verdict(false).periodMs).to.equal(length * 1_000);
      }),
      { numRuns: 50 },
    );
  });

  it('finds a long one after a minute of it', () => {
    const pass = media(0, 900);
    expect(kindsOf([...pass, ...pass.slice(0, 59)])).to.deep.equal([]);
    expect(kindsOf([...pass, ...pass.slice(0, 60)])).to.deep.equal([LoopKind.Replay]);
  });

  it('finds a loop whose passes repeat pictures inside themselves', () => {
    const twice = media(0, 6).flatMap((segment) => [
      segment,
      { ...segment, stamp: segment.stamp! + 1 },
    ]);
    expect(kindsOf(repeated(twice, 4))).to.deep.equal([LoopKind.Replay]);
  });

  it('takes no notice of seconds that an engine sends once more', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ played: fc.integer({ min: 30, max: 90 }), again: fc.nat(29) }), {
          minLength: 1,
          maxLength: 8,
        }),
        (steps) => {
          const segments: Segment[] = [];
          let next = 0;
          for (const { played, again } of steps) {
            segments.push(...media(next, played));
            segments.push(...media(next + played - again, again));
            next += played;
          }
          expect(kindsOf(segments)).to.deep.equal([]);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('calls it a repetition when time stamps run on, and a loop when the live position stands still', () => {
    const pass = media(0, 20);
    expect(kindsOf(runningOn(pass, 12))).to.deep.equal([LoopKind.Repeats]);
    expect(kindsOf(runningOn(pass, 3), true)).to.deep.equal([LoopKind.Replay]);
    expect(kindsOf(runningOn(pass, 3))).to.deep.equal([]);
  });

  it('takes no notice of trailers and advertisements between new programmes', () => {
    const advertisement = media(50_000, 30);
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 2, maxLength: 10 }),
        fc.boolean(),
        (parts, frozen) => {
          let next = 0;
          const segments = parts.flatMap((length) => {
            const programme = media(next, length);
            next += length;
            return [...programme, ...advertisement];
          });
          expect(kindsOf(restamped(segments, 0), frozen)).to.deep.equal([]);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('takes no notice of still pictures, test cards and silence, however long and across the wrap', () => {
    fc.assert(
      fc.property(
        // An encoder of a still picture repeats itself after one or a few segments.
        fc.array(fc.nat(0xffffffff), { minLength: 1, maxLength: 7 }),
        fc.nat(WRAP - 1),
        fc.boolean(),
        (prints, from, frozen) => {
          const pass = prints.map((print) => ({ print, stamp: 0, ticks: SECOND, rich: true }));
          const long = Array.from({ length: 3_000 }, (_, n) => pass[n % pass.length]!);
          expect(kindsOf(restamped(long, from), frozen)).to.deep.equal([]);
        },
      ),
      { numRuns: 20 },
    );
  });

  it('takes no notice of a still picture whose group of pictures has many numbered segments', () => {
    const group = media(0, 60).map((segment, n) => ({ ...segment, rich: n < 2 }));
    expect(kindsOf(runningOn(group, 50), true)).to.deep.equal([]);
  });

  it('takes no notice of a clock that was set back while new media comes', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(WRAP - 1), { minLength: 2, maxLength: 20 }), (clocks) => {
        const segments = clocks.flatMap((from, part) => media(part * 40, 40, from));
        expect(kindsOf(segments, true)).to.deep.equal([]);
      }),
    );
  });

  it('takes no notice of media without time stamps, or with one that stands still', () => {
    const still = (stamp: number | null): Segment[] =>
      repeated([{ print: 7, stamp, ticks: 0, rich: true }], 5_000);
    expect(kindsOf(still(null), true)).to.deep.equal([]);
    expect(kindsOf(still(12_345), true)).to.deep.equal([]);
  });

  it('forgets what is older than its memory', () => {
    const pass = media(0, LOOP_MEMORY + 1);
    expect(kindsOf(repeated(pass, 2))).to.deep.equal([]);
    const fits = media(0, LOOP_MEMORY - CONTEXT);
    expect(kindsOf(repeated(fits, 2))).to.deep.equal([LoopKind.Replay]);
  });

  it('takes its word back when new media comes', () => {
    const detector = new LoopDetector();
    for (const segment of repeated(media(0, 5), 5)) detector.push(segment);
    expect(detector.verdict(false).kind).to.equal(LoopKind.Replay);
    const [fresh] = media(100, 1);
    detector.push(fresh!);
    expect(detector.verdict(false)).to.deep.equal(NO_LOOP);
  });
});
