import { expect } from 'chai';
import fc from 'fast-check';
import { ProgramClock, ticksBetween, type ClockStats } from '../../../src/worker/engine/ts-pcr.js';
import { TsWriter } from '../../helpers/ts-packets.js';

const WRAP = 2 ** 33;
const PID = 0x100;

interface Reference {
  readonly pcr: number;
  /** ms of its arrival. */
  readonly at: number;
  readonly marked?: boolean;
}

function read(references: readonly Reference[]): ClockStats {
  const clock = new ProgramClock();
  references.forEach(({ pcr, at, marked = false }, index) => {
    const [packet] = new TsWriter().packet(PID, Buffer.alloc(10), {
      pcr,
      discontinuity: marked,
    }).packets;
    clock.observe(packet!, 0, packet!.readUInt32BE(0), index + 1, at);
  });
  return clock.stats;
}

/** References every `ms`, arriving in time. */
const steady = (count: number, ms: number, from = 0): Reference[] =>
  Array.from({ length: count }, (_, n) => ({ pcr: (from + n * ms * 90) % WRAP, at: n * ms }));

describe('the program clock', () => {
  it('measures intervals and jitter, also across the wrap', () => {
    fc.assert(
      fc.property(fc.integer({ min: 5, max: 100 }), fc.nat(WRAP - 1), (ms, from) => {
        const stats = read(steady(300, ms, from));
        expect(stats).to.include({ references: 300, advances: 299, lateReferences: 0 });
        expect(stats).to.include({ jumps: 0, regressions: 0 });
        expect(stats.intervalMaxMs).to.equal(ms);
        expect(stats.intervalMeanMs).to.be.closeTo(ms, 1e-6);
        expect(stats.jitterMs).to.equal(0);
      }),
      { numRuns: 30 },
    );
  });

  it('has a jitter near the delay by which every other packet is late', () => {
    const late = steady(400, 40).map(({ pcr, at }, n) => ({ pcr, at: at + (n % 2) * 20 }));
    expect(read(late).jitterMs).to.be.closeTo(20, 0.5);
  });

  it('counts an interval above 100 ms, and forgets it in the longest one after 10 s', () => {
    const once = [...steady(10, 40), ...steady(400, 40, 9 * 3_600 + 300 * 90)];
    const stats = read(once);
    expect(stats).to.include({ lateReferences: 1, jumps: 0 });
    expect(stats.intervalMaxMs).to.equal(40);
    expect(read(once.slice(0, 20)).intervalMaxMs).to.equal(300);
  });

  it('counts steps that no mark announces, and takes those that one does', () => {
    const jump = (ticks: number, marked: boolean): ClockStats =>
      read([
        { pcr: 5_000_000, at: 0 },
        { pcr: (5_000_000 + ticks + WRAP) % WRAP, at: 40, marked },
      ]);
    expect(jump(20 * 90_000, false)).to.include({ jumps: 1, regressions: 0 });
    expect(jump(-20 * 90_000, false)).to.include({ jumps: 0, regressions: 1 });
    expect(jump(20 * 90_000, true)).to.include({ jumps: 0, regressions: 0 });
    expect(jump(-20 * 90_000, true)).to.include({ jumps: 0, regressions: 0 });
  });

  it('does not advance while every reference says the same', () => {
    const frozen = Array.from({ length: 50 }, (_, n) => ({ pcr: 900, at: n * 40 }));
    expect(read(frozen)).to.include({ references: 50, advances: 0, regressions: 0 });
  });

  it('measures the way between two time stamps by the shorter side', () => {
    fc.assert(
      fc.property(fc.nat(WRAP - 1), fc.integer({ min: -(2 ** 31), max: 2 ** 31 }), (from, step) => {
        expect(ticksBetween(from, (from + step + WRAP) % WRAP)).to.equal(step);
      }),
    );
  });
});
