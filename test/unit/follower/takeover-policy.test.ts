import { expect } from 'chai';
import fc from 'fast-check';
import { decideTakeover, SETTLE_MS } from '../../../src/worker/follower/takeover-policy.js';

const past = (now: number): fc.Arbitrary<number | null> =>
  fc.option(fc.integer({ min: Math.max(0, now - 2 * SETTLE_MS), max: now }), { nil: null });
const now = 10_000;
const sight = fc.record({ ownerlessSince: past(now), redisBackAt: past(now) });

describe('the takeover', () => {
  it('never touches a stream whose lock is held', () => {
    fc.assert(
      fc.property(past(now), fc.boolean(), (redisBackAt, ringLost) => {
        expect(decideTakeover({ ownerlessSince: null, redisBackAt }, { now, ringLost })).to.equal(
          false,
        );
      }),
    );
  });

  it('comes at once when Redis was there all the time and has the ring', () => {
    fc.assert(
      fc.property(fc.nat(now), (ownerlessSince) => {
        const seen = { ownerlessSince, redisBackAt: null };
        expect(decideTakeover(seen, { now, ringLost: false })).to.equal(true);
      }),
    );
  });

  it('leaves the owner time to come back with Redis, or to publish a ring that was lost', () => {
    fc.assert(
      fc.property(sight, fc.boolean(), (seen, ringLost) => {
        fc.pre(seen.ownerlessSince !== null);
        const early =
          (seen.redisBackAt !== null && now - seen.redisBackAt < SETTLE_MS) ||
          (ringLost && now - seen.ownerlessSince < SETTLE_MS);
        expect(decideTakeover(seen, { now, ringLost })).to.equal(!early);
      }),
    );
  });

  it('comes in the end, whatever happened', () => {
    fc.assert(
      fc.property(sight, fc.boolean(), (seen, ringLost) => {
        fc.pre(seen.ownerlessSince !== null);
        expect(decideTakeover(seen, { now: now + SETTLE_MS, ringLost })).to.equal(true);
      }),
    );
  });
});
