import { expect } from 'chai';
import fc from 'fast-check';

import { chooseWorker } from '../../../src/primary/deal-policy.js';
import type { Candidate } from '../../../src/primary/deal-policy.js';
import { planDrain } from '../../../src/primary/drain.js';
import { isHopeless, NO_DEATHS, restartAfter } from '../../../src/primary/restart-policy.js';
import { workerProgram } from '../../../src/primary/worker-path.js';

const candidate: fc.Arbitrary<Candidate> = fc.record({
  pid: fc.nat(),
  generation: fc.nat(3),
  connections: fc.nat(5),
  stale: fc.boolean(),
  lastDeal: fc.nat(),
});

describe('chooseWorker', () => {
  it('takes one that no other has fewer connections than, among those with a fresh heartbeat', () => {
    fc.assert(
      fc.property(fc.array(candidate, { minLength: 1 }), (all) => {
        const chosen = chooseWorker(all, false)!;
        const fresh = all.filter(({ stale }) => !stale);
        const field = fresh.length > 0 ? fresh : all;
        expect(field).to.include(chosen);
        expect(chosen.connections).to.equal(Math.min(...field.map((each) => each.connections)));
      }),
    );
  });

  it('takes the newest generation first when a client moves', () => {
    fc.assert(
      fc.property(fc.array(candidate, { minLength: 1 }), (all) => {
        const chosen = chooseWorker(all, true)!;
        const field = all.filter(({ stale }) => stale === chosen.stale);
        expect(chosen.generation).to.equal(Math.max(...field.map((each) => each.generation)));
      }),
    );
  });

  it('keeps any number of workers within one connection of each other', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.nat(100), (workers, connections) => {
        const all = Array.from({ length: workers }, (_none, pid) => ({
          pid,
          generation: 0,
          connections: 0,
          stale: false,
          lastDeal: 0,
        }));
        for (let deal = 1; deal <= connections; deal += 1) {
          const chosen = chooseWorker(all, false)!;
          chosen.connections += 1;
          chosen.lastDeal = deal;
        }
        const counts = all.map((each) => each.connections);
        expect(Math.max(...counts) - Math.min(...counts)).to.be.at.most(1);
      }),
    );
  });

  it('finds nobody when there is nobody', () => {
    expect(chooseWorker([], false)).to.equal(null);
  });
});

describe('restartAfter', () => {
  it('never waits less after one death more, and at most ten seconds', () => {
    fc.assert(
      fc.property(fc.nat(40), (deaths) => {
        const { delayMs, history } = restartAfter({ deaths }, 100);
        expect(history.deaths).to.equal(deaths + 1);
        expect(delayMs).to.be.at.most(restartAfter(history, 100).delayMs).and.at.most(10_000);
      }),
    );
  });

  it('restarts at once what had lived for half a minute, however often it died before', () => {
    expect(restartAfter({ deaths: 9 }, 30_001)).to.deep.equal({
      history: { deaths: 1 },
      delayMs: 0,
    });
    expect(restartAfter({ deaths: 9 }, 30_000).delayMs).to.equal(10_000);
  });
});

describe('isHopeless', () => {
  it('gives up only when every slot used up its budget and nothing ever served', () => {
    const spent = { deaths: 5 };
    expect(isHopeless(false, [spent, spent])).to.equal(true);
    expect(isHopeless(false, [spent, { deaths: 4 }])).to.equal(false);
    expect(isHopeless(false, [spent, NO_DEATHS])).to.equal(false);
    expect(isHopeless(true, [spent, spent])).to.equal(false);
  });
});

describe('planDrain', () => {
  it('never plans more than there is', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 600_000 }), (timeoutMs) => {
        const { workersMs, restMs } = planDrain(timeoutMs);
        expect(workersMs + restMs).to.equal(timeoutMs);
        expect(workersMs).to.be.at.least(restMs);
      }),
    );
  });
});

describe('workerProgram', () => {
  it('is the source under tsx and the build otherwise', () => {
    expect(workerProgram('file:///app/src/primary/main.ts')).to.equal('/app/src/worker/main.ts');
    expect(workerProgram('file:///app/dist/primary/main.js')).to.equal('/app/dist/worker/main.js');
  });
});
