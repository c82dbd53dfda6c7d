import { expect } from 'chai';
import fc from 'fast-check';
import type { EngineStat } from '../../../src/worker/contracts.js';
import {
  headerDeadline,
  type HeaderDeadlineSettings,
  type StatSample,
} from '../../../src/worker/engine/header-deadline.js';
import { parseStat } from '../../../src/worker/engine/stat.js';

const settings: HeaderDeadlineSettings = {
  headerTimeoutMs: 60_000,
  maxHeaderMs: 120_000,
  noPeersMs: 20_000,
};
const sample = (at: number, stat: Partial<EngineStat>): StatSample => ({
  at,
  stat: { ...parseStat({}), ...stat },
});
const deadline = (...samples: StatSample[]): number =>
  headerDeadline({ openedAt: 0, samples }, settings);

const count = fc.option(fc.nat(50), { nil: null });
const samples = fc
  .array(fc.record({ gap: fc.nat(5_000), peers: count, downloaded: count, progress: count }))
  .map((steps) => {
    let at = 0;
    return steps.map(({ gap, ...stat }) => sample((at += gap), stat));
  });

describe('the deadline for the playback headers', () => {
  it('stands without news', () => {
    expect(deadline()).to.equal(60_000);
    expect(deadline(sample(1_000, {}))).to.equal(60_000);
  });

  it('moves on with peers, progress and bytes, up to the maximum', () => {
    expect(deadline(sample(1_000, { peers: 3 }))).to.equal(61_000);
    expect(deadline(sample(1_000, { peers: 3 }), sample(9_000, { progress: 5 }))).to.equal(69_000);
    expect(deadline(sample(90_000, { downloaded: 5 }))).to.equal(120_000);
  });

  it('does not move with peers that come and go', () => {
    const flapping = [3, 2, 3, 2, 3].map((peers, i) => sample(1_000 * (i + 1), { peers }));
    expect(deadline(...flapping)).to.equal(61_000);
  });

  it('comes early when there never was a peer', () => {
    expect(deadline(sample(1_000, { peers: 0 }), sample(2_000, { peers: 0 }))).to.equal(20_000);
    expect(deadline(sample(1_000, { peers: 0 }), sample(2_000, { peers: 1 }))).to.equal(62_000);
  });

  it('is never before the opening nor after the maximum', () => {
    fc.assert(
      fc.property(samples, fc.nat(1_000_000), (list, openedAt) => {
        const shifted = list.map(({ at, stat }) => ({ at: at + openedAt, stat }));
        const at = headerDeadline({ openedAt, samples: shifted }, settings);
        expect(at).to.be.within(openedAt + settings.noPeersMs, openedAt + settings.maxHeaderMs);
      }),
    );
  });

  it('does not come closer by more news once a peer was there', () => {
    fc.assert(
      fc.property(samples, (list) => {
        const all = [sample(0, { peers: 1 }), ...list];
        const deadlines = all.map((_, i) => deadline(...all.slice(0, i + 1)));
        deadlines.reduce((before, after) => {
          expect(after).to.be.at.least(before);
          return after;
        });
      }),
    );
  });
});
