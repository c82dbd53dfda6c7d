import { expect } from 'chai';
import fc from 'fast-check';
import { LivePosition } from '../../../src/worker/engine/live-position.js';
import { parseStat } from '../../../src/worker/engine/stat.js';
import { QualityFault, StreamQuality } from '../../../src/worker/engine/stream-quality.js';
import { ChunkerPhase, type TsStats } from '../../../src/worker/engine/ts-stats.js';

const CALM = { repeats: false, replay: false, liveFrozen: false };

interface Counts {
  packets: number;
  nullPackets: number;
  scrambledPackets: number;
  transportErrors: number;
  continuityErrors: number;
  syncLosses: number;
  video: number;
  audio: number;
  keyframes: number;
  stamps: number;
  advances: number;
}

const NOTHING: Counts = {
  ...{ packets: 0, nullPackets: 0, scrambledPackets: 0, transportErrors: 0, continuityErrors: 0 },
  ...{ syncLosses: 0, video: 0, audio: 0, keyframes: 0, stamps: 0, advances: 0 },
};
/** One second of a channel that is well. */
const SECOND: Counts = {
  ...{ ...NOTHING, packets: 2_000, nullPackets: 100, video: 25, audio: 40 },
  ...{ keyframes: 1, stamps: 25, advances: 25 },
};

function statsOf(counts: Counts, carries: Partial<TsStats['carries']> = {}): TsStats {
  const { video, audio, keyframes, stamps, advances, ...rest } = counts;
  return {
    ...{ phase: ChunkerPhase.Running, droppedBytes: 0, garbage: false, ...rest },
    ...{ bitrate: null, pcr: null, lastPcrAt: null },
    clock: {
      ...{ references: advances, advances, intervalMaxMs: 40, intervalMeanMs: 40, jitterMs: 1 },
      ...{ lateReferences: 0, jumps: 0, regressions: 0 },
    },
    units: { video, audio, keyframes, stampAdvances: stamps, stampRegressions: 0 },
    carries: { video: true, audio: true, clock: true, ...carries },
  };
}

/** A source that is looked at every second. */
class Source {
  readonly #quality = new StreamQuality();
  readonly #carries: Partial<TsStats['carries']>;
  #counts = NOTHING;
  #now = 5_000;

  constructor(carries: Partial<TsStats['carries']> = {}) {
    this.#carries = carries;
    this.play(1, {});
  }

  /** Seconds in which the counters grow as usual, but for `change`. */
  play(seconds: number, change: Partial<Counts>): ReturnType<StreamQuality['look']> {
    for (let n = 0; n < Math.max(1, seconds) - 1; n += 1) this.#second(change);
    return this.#second(change);
  }

  #second(change: Partial<Counts>): ReturnType<StreamQuality['look']> {
    const grown = { ...SECOND, ...change };
    const counts = { ...this.#counts };
    for (const name of Object.keys(counts) as (keyof Counts)[]) counts[name] += grown[name];
    this.#counts = counts;
    this.#now += 1_000;
    return this.#quality.look(statsOf(this.#counts, this.#carries), this.#now, CALM);
  }
}

describe('the quality of a stream', () => {
  it('is good while everything moves on', () => {
    const report = new Source().play(120, {});
    expect(report).to.deep.equal({ grade: 'good', faults: [], lossesPerMinute: 0 });
  });

  const silences: [string, Partial<Counts>, number, QualityFault[]][] = [
    ['video', { video: 0, stamps: 0, keyframes: 0 }, 5, [QualityFault.VideoSilent]],
    ['audio', { audio: 0 }, 5, [QualityFault.AudioSilent]],
    ['time stamps', { stamps: 0 }, 5, [QualityFault.StampsFrozen]],
    ['the program clock', { advances: 0 }, 3, [QualityFault.ClockStopped]],
    ['keyframes', { keyframes: 0 }, 20, [QualityFault.NoKeyframe]],
    ['what is not scrambled', { scrambledPackets: 1_500, stamps: 0 }, 1, [QualityFault.Scrambled]],
  ];
  for (const [what, change, seconds, faults] of silences) {
    it(`tells that ${what} stopped after ${String(seconds)} s, and that it came back`, () => {
      const source = new Source();
      source.play(3, {});
      if (seconds > 1) expect(source.play(seconds - 1, change).faults).to.deep.equal([]);
      expect(source.play(1, change).faults).to.deep.equal(faults);
      expect(source.play(1, {}).faults).to.deep.equal([]);
    });
  }

  it('takes no silence for a fault while no packet comes at all', () => {
    const source = new Source();
    expect(source.play(60, NOTHING).faults).to.deep.equal([]);
  });

  it('wants of a stream only what its tables name', () => {
    const radio = new Source({ video: false });
    expect(radio.play(60, { video: 0, keyframes: 0, stamps: 6 }).grade).to.equal('good');
    const silentFilm = new Source({ audio: false, clock: false });
    expect(silentFilm.play(60, { audio: 0, advances: 0 }).grade).to.equal('good');
  });

  it('counts the losses of the last minute, and forgets them', () => {
    const source = new Source();
    expect(source.play(1, { continuityErrors: 3 })).to.include({
      grade: 'fair',
      lossesPerMinute: 3,
    });
    const bad = source.play(1, { continuityErrors: 2, transportErrors: 4, syncLosses: 1 });
    expect(bad).to.deep.equal({
      grade: 'bad',
      faults: [QualityFault.PacketLoss],
      lossesPerMinute: 10,
    });
    expect(source.play(58, {}).lossesPerMinute).to.equal(10);
    expect(source.play(3, {})).to.include({ grade: 'good', lossesPerMinute: 0 });
  });

  it('names one grade for any counters, and bad only with a fault', () => {
    const counts = fc.record(
      Object.fromEntries(Object.keys(NOTHING).map((name) => [name, fc.nat(50)])),
    ) as unknown as fc.Arbitrary<Counts>;
    fc.assert(
      fc.property(fc.array(counts, { minLength: 1, maxLength: 60 }), (seconds) => {
        const source = new Source();
        for (const second of seconds) {
          const { grade, faults, lossesPerMinute } = source.play(1, second);
          expect(['good', 'fair', 'bad']).to.include(grade);
          if (grade === 'bad') expect(faults).not.to.deep.equal([]);
          if (grade === 'good') expect([faults, lossesPerMinute]).to.deep.equal([[], 0]);
        }
      }),
    );
  });
});

describe('the live position of an engine', () => {
  const stat = (liveLast?: number): ReturnType<typeof parseStat> =>
    parseStat(liveLast === undefined ? {} : { livepos: { live_last: String(liveLast) } });

  it('stands still when it did not grow for 30 s of stats', () => {
    const position = new LivePosition();
    position.take(stat(100), 0);
    for (let ms = 3_000; ms < 30_000; ms += 3_000) position.take(stat(100 - ms / 3_000), ms);
    expect(position.frozen).to.equal(false);
    position.take(stat(100), 30_000);
    expect(position.frozen).to.equal(true);
    position.take(stat(101), 33_000);
    expect(position.frozen).to.equal(false);
  });

  it('is not known without stats, and begins anew with another session', () => {
    const position = new LivePosition();
    position.take(stat(), 0);
    position.take(stat(), 90_000);
    expect(position.frozen).to.equal(false);
    position.take(stat(5), 100_000);
    position.take(stat(5), 190_000);
    position.reset();
    expect(position.frozen).to.equal(false);
  });
});
