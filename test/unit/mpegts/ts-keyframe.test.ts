import { expect } from 'chai';
import fc from 'fast-check';

import { KeyframeScanner, Verdict } from '../../../src/worker/engine/ts-keyframe.js';
import { VideoCodec } from '../../../src/worker/engine/ts-psi.js';
import { cutAt, H264, HEVC, MPEG2 } from '../../helpers/ts-packets.js';

const PES_HEADER = Buffer.from([0, 0, 1, 0xe0, 0, 0, 0x80, 0x80, 5, 0x21, 0, 1, 0, 1]);
const MEDIA = Buffer.alloc(300, 0x77);

function scan(codec: VideoCodec, pieces: readonly Buffer[]): Verdict {
  const scanner = new KeyframeScanner();
  scanner.begin(codec);
  let verdict: Verdict = Verdict.Undecided;
  for (const piece of pieces) verdict = scanner.push(piece, 0, piece.length);
  return verdict;
}

const cases: [string, VideoCodec, Buffer, Verdict][] = [
  ['an H.264 IDR with its SPS', VideoCodec.H264, H264.key(), Verdict.Keyframe],
  ['an H.264 IDR behind a long SEI', VideoCodec.H264, H264.key(900), Verdict.Keyframe],
  ['an H.264 IDR without SPS', VideoCodec.H264, H264.keyWithoutParameters(), Verdict.Other],
  ['an H.264 I picture that is no IDR', VideoCodec.H264, H264.intra(), Verdict.Other],
  ['an H.264 P picture', VideoCodec.H264, H264.delta(), Verdict.Other],
  ['an HEVC IDR with its SPS', VideoCodec.Hevc, HEVC.key(), Verdict.Keyframe],
  ['an HEVC IDR behind the SEI of x265', VideoCodec.Hevc, HEVC.key(2500), Verdict.Keyframe],
  ['an HEVC CRA', VideoCodec.Hevc, HEVC.cra(), Verdict.Keyframe],
  ['an HEVC trailing picture', VideoCodec.Hevc, HEVC.delta(), Verdict.Other],
  ['an MPEG-2 I picture with sequence header', VideoCodec.Mpeg2, MPEG2.key(), Verdict.Keyframe],
  ['an MPEG-2 I picture alone', VideoCodec.Mpeg2, MPEG2.intra(), Verdict.Other],
  ['an MPEG-2 P picture', VideoCodec.Mpeg2, MPEG2.headerAndDelta(), Verdict.Other],
  ['video of another codec', VideoCodec.Opaque, H264.key(), Verdict.Other],
];

describe('KeyframeScanner', () => {
  for (const [name, codec, start, expected] of cases) {
    it(`calls ${name} ${expected}, wherever packets divide it`, () => {
      const pes = Buffer.concat([PES_HEADER, start, MEDIA]);
      fc.assert(
        fc.property(fc.array(fc.nat(), { maxLength: 15 }), (places) => {
          expect(scan(codec, cutAt(pes, places))).to.equal(expected);
        }),
      );
    });
  }

  it('does not read start codes in the PES header', () => {
    const header = Buffer.from([...PES_HEADER.subarray(0, 8), 5, 0, 0, 1, 0x41, 0x9a]);
    const pes = Buffer.concat([header, H264.key()]);
    expect(scan(VideoCodec.H264, [pes])).to.equal(Verdict.Keyframe);
  });

  it('does not make a start code of the first media bytes', () => {
    const pes = Buffer.concat([PES_HEADER, Buffer.from([1, 0x41]), H264.key()]);
    expect(scan(VideoCodec.H264, [pes])).to.equal(Verdict.Keyframe);
  });

  it('is not interested in payload that begins no PES', () => {
    expect(scan(VideoCodec.H264, [Buffer.concat([MEDIA, H264.key()])])).to.equal(Verdict.Other);
  });

  it('gives up after 24 packets', () => {
    const packet = Buffer.alloc(184, 0x77);
    const pieces = [Buffer.concat([PES_HEADER, packet]), ...Array<Buffer>(22).fill(packet)];
    expect(scan(VideoCodec.H264, pieces)).to.equal(Verdict.Undecided);
    expect(scan(VideoCodec.H264, [...pieces, packet])).to.equal(Verdict.Other);
  });

  it('forgets the PES before', () => {
    const scanner = new KeyframeScanner();
    const first = Buffer.concat([PES_HEADER, H264.key().subarray(0, 12)]);
    scanner.begin(VideoCodec.H264);
    expect(scanner.push(first, 0, first.length)).to.equal(Verdict.Undecided);
    const second = Buffer.concat([PES_HEADER, H264.keyWithoutParameters()]);
    scanner.begin(VideoCodec.H264);
    expect(scanner.push(second, 0, second.length)).to.equal(Verdict.Other);
  });
});
