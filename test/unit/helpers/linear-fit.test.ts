import { expect } from 'chai';
import fc from 'fast-check';
import { linearFit } from '../../helpers/linear-fit.js';

describe('the straight line through measurements', () => {
  it('is the line that they lie on', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -999, max: 999 }),
        fc.integer({ min: -999, max: 999 }),
        (a, b) => {
          const fit = linearFit([0, 1, 2, 5].map((x) => [x, a * x + b] as const));
          expect(fit.slope).to.be.closeTo(a, 1e-6);
          expect(fit.intercept).to.be.closeTo(b, 1e-6);
          expect(fit.margin + fit.residual).to.be.closeTo(0, 1e-6);
        },
      ),
    );
  });

  it('says how sure it is: as the textbook has it', () => {
    const { slope, margin, residual } = linearFit([
      [1, 2],
      [2, 4],
      [3, 5],
      [4, 4],
      [5, 5],
    ]);
    expect(slope).to.be.closeTo(0.6, 1e-9);
    expect(margin).to.be.closeTo(3.18 * 0.2828, 1e-3);
    expect(residual).to.be.closeTo(1, 1e-9);
  });

  it('knows nothing of two points', () => {
    expect(
      linearFit([
        [0, 0],
        [1, 1],
      ]).margin,
    ).to.equal(Infinity);
  });
});
