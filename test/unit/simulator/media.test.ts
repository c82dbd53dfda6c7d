import { expect } from 'chai';
import { PictureSource } from '../../simulator/media-picture.js';
import { StampedSource } from '../../simulator/media-stamped.js';
import { KEYFRAME_STYLES } from '../../simulator/codecs.js';
import { CHANNEL_EPOCH_MS } from '../../simulator/media-source.js';
import { StampChecker } from '../../simulator/stamps.js';
import {
  adaptationFlags,
  CLOCK_27M_WRAP,
  hasPayload,
  PACKET,
  PID,
  pcrOffset,
  pidOf,
  readPcr,
} from '../../simulator/ts-packet.js';
import { decode, hasFfmpeg } from './ffmpeg.js';

const SHAPE = { bitrate: 4_000_000, gop: 2, keyframes: 'h264' } as const;
const SENDER = { session: 1, wallMs: 1_700_000_000_000 };

function packetsOf(bytes: Buffer): number[] {
  return Array.from({ length: bytes.length / PACKET }, (_, i) => i * PACKET);
}

/** Largest step between clock references in ms; fails on a step back. */
function largestClockStep(bytes: Buffer): number {
  const clocks = packetsOf(bytes)
    .filter((at) => pcrOffset(bytes, at) > 0)
    .map((at) => readPcr(bytes, at + 6));
  const steps = clocks
    .slice(1)
    .map((clock, i) => (clock - clocks[i]! + CLOCK_27M_WRAP) % CLOCK_27M_WRAP);
  return Math.max(...steps) / 27_000;
}

function counterFaults(bytes: Buffer): number {
  const last = new Map<number, number>();
  let faults = 0;
  for (const at of packetsOf(bytes)) {
    const counter = bytes[at + 3]! & 15;
    const before = last.get(pidOf(bytes, at));
    if (before !== undefined && counter !== ((before + (hasPayload(bytes, at) ? 1 : 0)) & 15))
      faults += 1;
    last.set(pidOf(bytes, at), counter);
  }
  return faults;
}

describe('picture source', () => {
  const source = new PictureSource();
  const round = source.packetsPerRound;

  it('runs clocks and counters on over the joints, also where the clock wraps', () => {
    const wrap = Math.floor(2 ** 33 / 90 / source.roundMs);
    for (const from of [0, 1234, (wrap - 1) * round]) {
      const bytes = source.render(from, round * 3);
      expect(counterFaults(bytes)).to.equal(0);
      expect(largestClockStep(bytes)).to.be.at.most(100);
    }
  });

  it('is decoded by ffmpeg over many rounds without a complaint', async function () {
    if (!(await hasFfmpeg())) this.skip();
    const wrap = Math.floor(2 ** 33 / 90 / source.roundMs);
    const { complaints, frames } = await decode(source.render((wrap - 2) * round, round * 4));
    expect(complaints).to.equal('');
    expect(frames).to.equal(800);
  });

  it('gives as much as is due, packet for packet', () => {
    const at = CHANNEL_EPOCH_MS + 86_400_000 + 1234;
    const position = source.positionAt(at);
    expect(source.positionAt(at + source.roundMs) - position).to.equal(round);
    const perSecond = ((source.positionAt(at + 1000) - position) * PACKET) / source.bytesPerSecond;
    expect(perSecond).to.be.within(0.5, 1.5);
  });
});

describe('stamped source', () => {
  for (const keyframes of KEYFRAME_STYLES) {
    it(`numbers every media packet of ${keyframes} and keeps counters and clocks in order`, () => {
      const source = new StampedSource({ ...SHAPE, keyframes });
      const position = source.positionAt(CHANNEL_EPOCH_MS + 1e10);
      const bytes = source.render(position, 9000, SENDER);
      const checker = new StampChecker();
      checker.push(bytes);
      const report = checker.report();
      expect(report).to.include({
        lost: 0,
        duplicated: 0,
        corrupt: 0,
        misaligned: 0,
        ccErrors: 0,
        nullPackets: 0,
      });
      const tables = packetsOf(bytes).filter((at) =>
        [PID.pat, PID.pmt].includes(pidOf(bytes, at) as 0),
      );
      expect(report.stamped).to.equal(9000 - tables.length);
      expect(counterFaults(bytes)).to.equal(0);
      expect(largestClockStep(bytes)).to.be.within(39, 42);
    });
  }

  it('sends tables ten times a second and a keyframe each GOP', () => {
    const bytes = new StampedSource({ ...SHAPE, gop: 1 }).render(5000, 13_300, SENDER);
    const at = packetsOf(bytes);
    const keyframes = at.filter((offset) => (adaptationFlags(bytes, offset) & 0x40) !== 0);
    expect(at.filter((offset) => pidOf(bytes, offset) === PID.pat).length).to.be.within(49, 51);
    expect(keyframes.length).to.equal(5);
  });

  it('renders the same packets however the range is cut', () => {
    const source = new StampedSource(SHAPE);
    const whole = source.render(100_000, 6000, SENDER);
    const parts = [1, 999, 2000, 3000].reduce<{ at: number; bytes: Buffer[] }>(
      ({ at, bytes }, count) => ({
        at: at + count,
        bytes: [...bytes, source.render(at, count, SENDER)],
      }),
      { at: 100_000, bytes: [] },
    );
    expect(Buffer.concat(parts.bytes).equals(whole)).to.equal(true);
  });
});
