import { expect } from 'chai';
import fc from 'fast-check';
import { LoopPatience, loopWait } from '../../../src/worker/owner/loop-patience.js';

const MINUTE = 60_000;

describe('the patience with a loop', () => {
  it('leaves two at once, and then waits 5, 10, 20, 40 and 60 minutes', () => {
    const waits = [0, 1, 2, 3, 4, 5, 6, 7, 50].map((leaves) => loopWait(leaves) / MINUTE);
    expect(waits).to.deep.equal([0, 0, 5, 10, 20, 40, 60, 60, 60]);
  });

  it('never changes the source more often than that, whatever loops when', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 10 * MINUTE }), { maxLength: 400 }),
        (steps) => {
          const patience = new LoopPatience();
          let now = 1_000;
          const left: number[] = [];
          for (const step of steps) {
            now += step;
            if (patience.leave(now)) left.push(now);
          }
          expect(left.length).to.be.at.most(2 + now / (5 * MINUTE));
          left
            .slice(2)
            .forEach((at, n) => expect(at - left[n + 1]!).to.be.at.least(loopWait(n + 2)));
        },
      ),
    );
  });

  it('begins anew after two hours without a loop', () => {
    const patience = new LoopPatience();
    expect([patience.leave(1), patience.leave(2), patience.leave(3)]).to.deep.equal([
      true,
      true,
      false,
    ]);
    expect(patience.leave(3 + 121 * MINUTE)).to.equal(true);
    expect(patience.leave(4 + 121 * MINUTE)).to.equal(true);
  });
});
