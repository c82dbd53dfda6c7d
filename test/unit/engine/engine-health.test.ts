import { expect } from 'chai';
import fc from 'fast-check';
import type { EngineHealth } from '../../../src/shared/redis/engine-records.js';
import { EngineFaultKind, type EngineEnd } from '../../../src/worker/contracts.js';
import {
  afterBadProbe,
  afterFault,
  afterGoodProbe,
  afterLosses,
  afterSuccess,
  currentScore,
  freshHealth,
  probeBackOff,
  type HealthChange,
} from '../../../src/worker/engine/engine-health.js';

const fault = (kind: EngineFaultKind, reason: string): EngineEnd => ({
  kind,
  reason,
  message: 'm',
});
const apply = (changes: readonly HealthChange[], now = 1_000): EngineHealth =>
  changes.reduce((health, change) => change(health, now), freshHealth(now));
const times = <T>(n: number, value: T): T[] => Array.from({ length: n }, () => value);

const http500 = afterFault(fault(EngineFaultKind.Engine, 'http-500'));
const refused = afterFault(fault(EngineFaultKind.Engine, 'refused'));

const anyFault = fc.record({
  kind: fc.constantFrom(...Object.values(EngineFaultKind)),
  reason: fc.constantFrom('refused', 'http-500', 'stall', 'eof', 'answer-timeout', 'no-peers'),
  message: fc.constant('m'),
});
const anyChange: fc.Arbitrary<HealthChange> = fc.oneof(
  anyFault.map(afterFault),
  fc.constant(afterSuccess()),
  fc.constant(afterGoodProbe('3.1')),
  anyFault.map(afterBadProbe),
  fc.nat(1_000).map(afterLosses),
);

describe('the health of an engine', () => {
  it('is good until three faults of its own in a row', () => {
    expect(apply(times(2, http500)).healthy).to.be.true;
    expect(apply(times(3, http500)).healthy).to.be.false;
    expect(apply([http500, http500, afterSuccess(), http500]).healthy).to.be.true;
  });

  it('is bad at once when it refuses connections', () => {
    const health = apply([refused]);
    expect(health).to.include({ healthy: false, failures: 1, nextProbeAt: 2_000 });
    expect(health.lastError).to.equal('refused: m');
  });

  it('knows nothing of what is wrong with a content', () => {
    const healthy = freshHealth(1_000);
    const change = afterFault(fault(EngineFaultKind.Content, 'load-failed'));
    expect(change(healthy, 1_000)).to.equal(healthy);
  });

  it('does not turn by channels that nobody sends, only its score falls', () => {
    for (const reason of ['no-peers', 'stall', 'start-timeout']) {
      const health = apply(times(50, afterFault(fault(EngineFaultKind.Timeout, reason))));
      expect(health.healthy, reason).to.be.true;
      expect(health.score, reason).to.be.below(0.1);
    }
  });

  it('is never bad by lost packets or loops alone, only its score falls and comes back', () => {
    const minutes = (perMinute: number, count: number): EngineHealth => {
      let health = freshHealth(0);
      for (let n = 1; n <= count; n += 1) health = afterLosses(perMinute)(health, n * 60_000);
      return health;
    };
    expect(minutes(0, 60)).to.deep.equal(freshHealth(0));
    expect(minutes(1, 60).score).to.be.within(0.75, 0.9);
    const bad = minutes(10, 60);
    expect(bad).to.include({ healthy: true, failures: 0 });
    expect(bad.score).to.be.below(0.3);
    expect(currentScore(bad, 60 * 60_000 + 600_000)).to.be.above(0.75);
    const loop = apply([afterFault(fault(EngineFaultKind.Session, 'loop'))]);
    expect(loop).to.include({ healthy: true, failures: 0, score: 0.4 });
  });

  it('counts an engine that hangs', () => {
    const hang = afterFault(fault(EngineFaultKind.Timeout, 'answer-timeout'));
    expect(apply(times(3, hang)).healthy).to.be.false;
  });

  it('gets another chance by a probe, and backs off longer when it fails it', () => {
    const unfit = apply(times(3, http500));
    const chance = afterGoodProbe('3.1')(unfit, 10_000);
    expect(chance).to.include({ healthy: true, failures: 3, version: '3.1' });
    const again = http500(chance, 11_000);
    expect(again.healthy).to.be.false;
    expect(again.nextProbeAt - 11_000).to.be.above(unfit.nextProbeAt - 1_000);
  });

  it('forgets failures with the probes of a healthy engine', () => {
    expect(apply([http500, http500, afterGoodProbe(null), afterGoodProbe(null)]).failures).to.equal(
      0,
    );
  });

  it('backs off from 1 s to 30 s', () => {
    expect([1, 2, 3, 4, 5, 6, 60].map(probeBackOff)).to.deep.equal([
      1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000,
    ]);
  });

  it('has a score that recovers with time', () => {
    const health = apply([refused], 0);
    expect(currentScore(health, 0)).to.be.closeTo(0.5, 1e-9);
    expect(currentScore(health, 300_000)).to.be.closeTo(0.75, 1e-9);
    expect(currentScore(health, 1e9)).to.be.closeTo(1, 1e-6);
  });

  it('keeps its bounds whatever happens', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anyChange, fc.nat(60_000))), (steps) => {
        let now = 0;
        let health = freshHealth(now);
        for (const [change, gap] of steps) {
          now += gap;
          health = change(health, now);
          expect(health.score).to.be.within(0, 1);
          expect(health.failures).to.be.within(0, 6);
          expect(health.nextProbeAt - now).to.be.at.most(30_000);
        }
      }),
    );
  });

  it('is always good after a start that brought media', () => {
    fc.assert(
      fc.property(fc.array(anyChange), (changes) => {
        expect(apply([...changes, afterSuccess()])).to.include({ healthy: true, failures: 0 });
      }),
    );
  });
});
