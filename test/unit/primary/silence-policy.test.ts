import { expect } from 'chai';
import fc from 'fast-check';

import { judgeSilence, type Silence } from '../../../src/primary/silence-policy.js';

/** A worker that misses heartbeats and burns a whole core since the last one. */
const BURNING: Silence = {
  ageMs: 1_100,
  stopped: false,
  cpuMs: 1_000,
  waitedMs: null,
  suspected: true,
  servedMs: 3_000,
};

const ANY = {
  ageMs: fc.integer({ min: 0, max: 15_000 }),
  stopped: fc.boolean(),
  cpuMs: fc.option(fc.integer({ min: 0, max: 10_000 })),
  waitedMs: fc.option(fc.integer({ min: 0, max: 15_000 })),
  suspected: fc.boolean(),
  servedMs: fc.option(fc.nat()),
};

describe('judgeSilence', () => {
  it('suspects a worker that burns processor time in silence, and gives it up with the next look', () => {
    expect(judgeSilence({ ...BURNING, suspected: false })).to.deep.equal({ action: 'suspect' });
    expect(judgeSilence(BURNING)).to.deep.equal({ action: 'kill', why: 'is blocked' });
  });

  it('waits up to two seconds for one that does not want it either', () => {
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
    const any = fc.record({ ...ANY, ageMs: fc.integer({ min: 0, max: 300 }) });
    fc.assert(fc.property(any, (silence) => judgeSilence(silence).action === 'wait'));
  });

  it('does not count the time in which others had the processors, up to ten seconds', () => {
    const starved = { ...BURNING, cpuMs: 0 };
    for (const [ageMs, waitedMs, action] of [
      [2_001, 1, 'wait'],
      [9_000, 7_000, 'wait'],
      [9_001, 7_000, 'kill'],
      [10_000, 10_000, 'wait'],
      [10_001, 10_001, 'kill'],
    ] as const) {
      expect(judgeSilence({ ...starved, ageMs, waitedMs }).action).to.equal(action);
    }
  });

  it('counts it for one that gets a quarter of what it wants', () => {
    const late = { ...BURNING, ageMs: 2_001, cpuMs: 500 };
    expect(judgeSilence({ ...late, waitedMs: 1_500 })).to.include({ why: 'hangs' });
    expect(judgeSilence({ ...late, waitedMs: 1_501 })).to.deep.equal({ action: 'wait' });
  });

  it('is the more patient the longer a worker waited', () => {
    const any = fc.record({ ...ANY, waitedMs: fc.integer({ min: 0, max: 15_000 }) });
    fc.assert(
      fc.property(any, fc.nat(5_000), (silence, more) => {
        const waits = judgeSilence(silence).action === 'wait';
        const { action } = judgeSilence({ ...silence, waitedMs: silence.waitedMs + more });
        expect(waits && action !== 'wait').to.equal(false);
      }),
    );
  });

  it('gives nobody up at the first look but one that was stopped', () => {
    fc.assert(
      fc.property(fc.record(ANY), (silence) => {
        const verdict = judgeSilence({ ...silence, suspected: false });
        expect(verdict.action === 'kill').to.equal(
          verdict.action === 'kill' && verdict.why === 'was stopped',
        );
      }),
    );
  });

  it('gives everybody up after ten seconds', () => {
    const any = fc.record({ ...ANY, ageMs: fc.integer({ min: 10_001, max: 60_000 }) });
    fc.assert(
      fc.property(any, (silence) => {
        expect(judgeSilence({ ...silence, suspected: true }).action).to.equal('kill');
      }),
    );
  });
});
