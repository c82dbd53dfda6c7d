import { expect } from 'chai';
import fc from 'fast-check';
import { decideIdle, type Census } from '../../../src/worker/owner/idle-policy.js';

const time = fc.integer({ min: 0, max: 100_000 });
const census: fc.Arbitrary<Census> = fc.record({
  clients: fc.nat(2),
  localClients: fc.nat(2),
  lastDisconnect: fc.option(time, { nil: null }),
  idleSince: fc.option(time, { nil: null }),
});
const grace = fc.constantFrom(0, 1_000, 5_000);

describe('the end of the grace period', () => {
  it('never comes while anybody watches, here or elsewhere', () => {
    fc.assert(
      fc.property(census, time, grace, (seen, now, graceMs) => {
        fc.pre(seen.clients + seen.localClients > 0);
        expect(decideIdle(seen, now, graceMs)).to.deep.equal({ action: 'stay' });
      }),
    );
  });

  it('needs a moment from which on nobody watched, counted from the last leave if it is known', () => {
    fc.assert(
      fc.property(census, time, grace, (seen, now, graceMs) => {
        const alone = { ...seen, clients: 0, localClients: 0 };
        const since = alone.lastDisconnect ?? alone.idleSince;
        const decision = decideIdle(alone, now, graceMs);
        if (since === null) expect(decision.action).to.equal('stay');
        else expect(decision.action).to.equal(now - since >= graceMs ? 'stop' : 'wait');
      }),
    );
  });

  it('is exactly when a wait says', () => {
    fc.assert(
      fc.property(census, time, grace, (seen, now, graceMs) => {
        const decision = decideIdle(seen, now, graceMs);
        if (decision.action !== 'wait') {
          fc.pre(false);
          return;
        }
        expect(decision.ms).to.be.greaterThan(0);
        expect(decideIdle(seen, now + decision.ms, graceMs).action).to.equal('stop');
        expect(decideIdle(seen, now + decision.ms - 1, graceMs).action).to.equal('wait');
      }),
    );
  });
});
