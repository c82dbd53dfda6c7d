import { spawnSync } from 'node:child_process';
import { expect } from 'chai';
import { LoopKind, type LoopVerdict } from '../../../src/worker/engine/loop-detector.js';
import { TsChunker } from '../../../src/worker/engine/ts-chunker.js';
import { StampedSource } from '../../simulator/media-stamped.js';
import type { KeyframeStyle } from '../../simulator/codecs.js';
import { PictureSource } from '../../simulator/media-picture.js';

const PACKET = 188;

function chunker(): TsChunker {
  return new TsChunker({ chunkBytes: 188_000, flushMs: 100, now: () => 0, splice: false });
}

/** What is found on the way, the last word of it, and the counters. */
function watch(
  pieces: Iterable<Buffer>,
  liveFrozen = false,
): { kinds: Set<LoopKind>; last: LoopVerdict; units: TsChunker['stats']['units'] } {
  const own = chunker();
  const kinds = new Set<LoopKind>();
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; at += 16_384) {
      own.push(piece.subarray(at, at + 16_384));
      kinds.add(own.loop(liveFrozen).kind);
    }
  }
  return { kinds, last: own.loop(liveFrozen), units: own.stats.units };
}

const NOTHING = new Set([LoopKind.None]);
const SENDER = { session: 1, wallMs: 1_700_000_000_000 };

function stamped(keyframes: KeyframeStyle): {
  source: StampedSource;
  packets: (s: number) => number;
} {
  const source = new StampedSource({ bitrate: 1_000_000, gop: 1, keyframes });
  return { source, packets: (s) => Math.round((s * source.bytesPerSecond) / PACKET) };
}

/** `times` passes over the same `seconds`, bit for bit. */
function* passes(keyframes: KeyframeStyle, seconds: number, times: number): Generator<Buffer> {
  const { source, packets } = stamped(keyframes);
  for (let pass = 0; pass < times; pass += 1) yield source.render(5_000, packets(seconds), SENDER);
}

/** A real clip of eight seconds, end to end, with clocks that run on. */
function* slate(times: number): Generator<Buffer> {
  const source = new PictureSource();
  const { packetsPerRound } = source;
  for (let n = 0; n < times; n += 1) yield source.render(n * packetsPerRound, packetsPerRound);
}

describe('the access units of a stream', () => {
  for (const keyframes of ['h264', 'hevc', 'mpeg2', 'radio', 'h264-no-rai'] as const) {
    it(`of ${keyframes} tell a replay, wherever in a group of pictures it begins again`, () => {
      for (const seconds of [2.3, 7.7, 25]) {
        const { last } = watch(passes(keyframes, seconds, Math.ceil(14 / seconds) + 2));
        expect(last.kind, String(seconds)).to.equal(LoopKind.Replay);
        expect(last.periodMs / 1_000, String(seconds)).to.be.closeTo(seconds, 0.15);
      }
    });

    it(`of ${keyframes} tell nothing of ten minutes of new media`, () => {
      const { source, packets } = stamped(keyframes);
      const minute = packets(60);
      const media = function* (): Generator<Buffer> {
        for (let n = 0; n < 10; n += 1) yield source.render(9_000 + n * minute, minute, SENDER);
      };
      expect(watch(media(), true).kinds).to.deep.equal(NOTHING);
    });
  }

  it('of a clip that a broadcaster shows again and again are a repetition, never a replay', () => {
    expect(watch(slate(14)).kinds).to.deep.equal(NOTHING);
    const { kinds, last, units } = watch(slate(24));
    expect(kinds).to.deep.equal(new Set([LoopKind.None, LoopKind.Repeats]));
    expect(last.periodMs).to.be.closeTo(8_000, 200);
    expect(units.stampRegressions).to.equal(0);
    expect(units.keyframes).to.be.at.least(24);
  });

  it('of such a clip are a replay while the live position stands still', () => {
    expect(watch(slate(3), true).kinds).to.deep.equal(NOTHING);
    expect(watch(slate(5), true).last.kind).to.equal(LoopKind.Replay);
  });
});

describe('the access units of a real encoder', function () {
  before(function () {
    if (spawnSync('ffmpeg', ['-version']).status !== 0) this.skip();
  });

  const X264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '25', '-bf', '2'];
  const encode = (input: readonly string[], codec: readonly string[], seconds: number): Buffer => {
    const args = ['-v', 'error', ...input, '-t', String(seconds), ...codec, '-f', 'mpegts', '-'];
    const { stdout, stderr } = spawnSync('ffmpeg', args, { maxBuffer: 2 ** 27 });
    expect(stderr.toString()).to.equal('');
    return stdout;
  };
  const lavfi = (graph: string): string[] => ['-f', 'lavfi', '-i', graph];
  const silence = lavfi('anullsrc=r=48000');

  const LONG = X264.map((word) => (word === '25' ? '250' : word));
  const FILLED = [
    '-x264-params',
    'nal-hrd=cbr',
    '-b:v',
    '200k',
    '-maxrate',
    '200k',
    '-bufsize',
    '200k',
  ];
  const ordinary: [string, () => Buffer][] = [
    [
      'black frames with silence',
      () => encode([...lavfi('color=black:s=160x90:r=25'), ...silence], X264, 200),
    ],
    [
      'a test card with a tone',
      () => encode([...lavfi('smptebars=s=160x90:r=25'), ...lavfi('sine')], X264, 200),
    ],
    [
      'a still picture at a constant rate',
      () =>
        encode(
          lavfi('smptebars=s=160x90:r=25'),
          [
            ...X264,
            '-b:v',
            '200k',
            '-minrate',
            '200k',
            '-maxrate',
            '200k',
            '-bufsize',
            '200k',
            '-muxrate',
            '400k',
          ],
          200,
        ),
    ],
    ['a still picture in long groups', () => encode(lavfi('smptebars=s=160x90:r=25'), LONG, 200)],
    [
      'a still picture filled up to a rate',
      () => encode(lavfi('smptebars=s=160x90:r=25'), [...LONG, ...FILLED], 150),
    ],
    ['a tone in AAC', () => encode(lavfi('sine'), ['-c:a', 'aac'], 300)],
    [
      'a still picture in MPEG-2',
      () => encode(lavfi('smptebars=s=160x90:r=25'), ['-c:v', 'mpeg2video'], 300),
    ],
    ['silent radio', () => encode(silence, ['-c:a', 'aac'], 300)],
    ['radio with a tone', () => encode(lavfi('sine'), ['-c:a', 'mp2'], 300)],
    ['a moving picture', () => encode(lavfi('testsrc2=s=160x90:r=25'), X264, 200)],
  ];
  for (const [name, make] of ordinary) {
    it(`tell nothing of ${name}, even while the live position stands still`, () => {
      const { kinds, units } = watch([make()], true);
      expect(kinds).to.deep.equal(NOTHING);
      expect(units.video + units.audio).to.be.above(400);
      expect(units.stampRegressions).to.equal(0);
    });
  }

  it('tell a replay of a moving picture with reordered frames', () => {
    const clip = encode([...lavfi('testsrc2=s=160x90:r=25'), ...lavfi('sine')], X264, 12);
    const { last } = watch([clip, clip, clip]);
    expect(last.kind).to.equal(LoopKind.Replay);
    expect(last.periodMs).to.be.closeTo(12_000, 100);
  });
});
