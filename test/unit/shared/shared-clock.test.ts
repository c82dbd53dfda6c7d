import { expect } from 'chai';
import fc from 'fast-check';
import { systemClock } from '../../../src/shared/clock.js';
import { nextOffset, SharedClock } from '../../../src/shared/shared-clock.js';

/** A sample of a clock that is `offset` ahead, over a network with these delays. */
function sample(offset: number, out: number, back: number) {
  const sentAt = 1_000_000;
  return { sentAt, receivedAt: sentAt + out + back, theirs: sentAt + out + offset };
}

const delays = fc.record({ out: fc.nat(100), back: fc.nat(100) });
const offsets = fc.integer({ min: -1e8, max: 1e8 });

describe('the offset to the shared clock', () => {
  it('is never further off than the way to Redis takes', () => {
    fc.assert(
      fc.property(offsets, offsets, delays, (believed, offset, { out, back }) => {
        const found = nextOffset(believed, sample(offset, out, back));
        expect(Math.abs(found - offset)).to.be.at.most(out + back + 2);
      }),
    );
  });

  it('stays what it is while every answer agrees with it', () => {
    fc.assert(
      fc.property(offsets, fc.array(delays, { minLength: 1 }), (offset, ways) => {
        const end = ways.reduce(
          (at, { out, back }) => nextOffset(at, sample(offset, out, back)),
          offset,
        );
        expect(end).to.equal(offset);
      }),
    );
  });

  it('is not learnt from an answer that took long, or across a step of our own clock', () => {
    expect(nextOffset(7, sample(5_000, 900, 900))).to.equal(7);
    expect(nextOffset(7, { sentAt: 9_000, receivedAt: 1_000, theirs: 9_000 })).to.equal(7);
  });
});

describe('the shared clock', () => {
  it("tells Redis' time once it was asked, and goes on with it while Redis is away", async () => {
    const clock = new SharedClock({ ...systemClock, now: () => 1_000 });
    expect(clock.now()).to.equal(1_000);
    expect(await clock.compare(() => Promise.resolve(91_000))).to.equal(90_000);
    const away = clock.compare(() => Promise.reject(new Error('away')));
    await away.catch(() => undefined);
    expect(clock.now()).to.equal(91_000);
  });
});
