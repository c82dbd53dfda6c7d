import { expect } from 'chai';
import fc from 'fast-check';

import { judgeSilence, type Silence } from '../../../src/primary/silence-policy.js';

/** A worker that misses heartbeats and burns a whole core since the last one. */
const BURNING: Silence = {
  ageMs: 1_100,
  stopped: false,
  cpuMs: 1_000,
  suspected: true,
  servedMs: 3_000,
};

describe('judgeSilence', () => {
  it('suspects a worker that burns processor time in silence, and gives it up with the next look', () => {
    expect(judgeSilence({ ...BURNING, suspected: false })).to.deep.equal({ action: 'suspect' });
    expect(judgeSilence(BURNING)).to.deep.equal({ action: 'kill', why: 'is blocked' });
  });

  it('waits up to two seconds for one that is only starved of it', () => {
    for (const cpuMs of [0, 400, 999]) {
      expect(judgeSilence({ ...BURNING, ageMs: 2_000, cpuMs })).to.deep.equal({ action: 'wait' });
      expect(judgeSilence({ ...BURNING, ageMs: 2_001, cpuMs })).to.deep.equal({
        action: 'kill',
        why: 'hangs',
      });
    }
  });

  it('waits the same for one that drains or has just begun, and where the system tells nothing', () => {
    for (const servedMs of [null, 0, 2_999]) {
      expect(judgeSilence({ ...BURNING, servedMs })).to.deep.equal({ action: 'wait' });
    }
    expect(judgeSilence({ ...BURNING, cpuMs: null })).to.deep.equal({ action: 'wait' });
  });

  it('gives a stopped one up at the first missed heartbeat', () => {
    const stopped = { ...BURNING, stopped: true, cpuMs: 0, suspected: false, servedMs: null };
    expect(judgeSilence({ ...stopped, ageMs: 300 })).to.deep.equal({ action: 'wait' });
    expect(judgeSilence({ ...stopped, ageMs: 301 })).to.deep.equal({
      action: 'kill',
      why: 'was stopped',
    });
  });

  it('never gives up a worker whose heartbeat is younger than 300 ms, whatever the system says', () => {
    const any = fc.record({
      ageMs: fc.integer({ min: 0, max: 300 }),
      stopped: fc.boolean(),
      cpuMs: fc.option(fc.integer({ min: 0, max: 10_000 })),
      suspected: fc.boolean(),
      servedMs: fc.option(fc.nat()),
    });
    fc.assert(fc.property(any, (silence) => judgeSilence(silence).action === 'wait'));
  });
});
