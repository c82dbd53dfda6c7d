import { spawnSync } from 'node:child_process';

import { expect } from 'chai';

import { joinHead, spliceHead } from '../../../src/shared/mpegts/splice.js';
import type { CutChunk } from '../../../src/worker/contracts.js';
import { TsChunker } from '../../../src/worker/engine/ts-chunker.js';
import { continuityFaults } from '../../helpers/ts-packets.js';

const BIG = 64 * 1024 * 1024;

function run(
  command: string,
  args: string[],
  input: Buffer = Buffer.alloc(0),
): { out: Buffer; err: string } {
  const done = spawnSync(command, args, { input, maxBuffer: BIG });
  return { out: done.stdout, err: done.stderr.toString() };
}

/** Three seconds of test picture and tone, a keyframe every half second. */
function encode(codec: readonly string[], hue: number): Buffer {
  const { out, err } = run('ffmpeg', [
    ...['-v', 'error', '-f', 'lavfi', '-i', `testsrc2=size=320x180:rate=25,hue=h=${hue}`],
    ...['-f', 'lavfi', '-i', 'sine', '-t', '3', '-g', '12', '-bf', '0', ...codec],
    ...['-c:a', 'aac', '-f', 'mpegts', '-'],
  ]);
  expect(err).to.equal('');
  return out;
}

function cut(bytes: Buffer, splice: boolean, chunkBytes = 20 * 188): CutChunk[] {
  const chunker = new TsChunker({ chunkBytes, flushMs: 100, now: () => 0, splice });
  const chunks: CutChunk[] = [];
  for (let at = 0; at < bytes.length; at += 1000) {
    chunks.push(...chunker.push(bytes.subarray(at, at + 1000)));
  }
  return [...chunks, ...chunker.end()];
}

function bytesOf(chunks: readonly CutChunk[]): Buffer {
  return Buffer.concat(chunks.map(({ bytes }) => bytes));
}

/** What a decoder complains about. */
function complaints(bytes: Buffer): string {
  return run('ffmpeg', ['-v', 'error', '-f', 'mpegts', '-i', '-', '-f', 'null', '-'], bytes).err;
}

function firstVideoFlags(bytes: Buffer): string {
  const args = ['-v', 'error', '-f', 'mpegts', '-select_streams', 'v', '-show_entries'];
  const { out } = run('ffprobe', [...args, 'packet=flags', '-of', 'csv=p=0', '-i', '-'], bytes);
  return out.toString().split('\n')[0] ?? '';
}

interface JoinPoint {
  readonly chunk: number;
  readonly offset: number;
}

function joinPoints(chunks: readonly CutChunk[]): JoinPoint[] {
  return chunks.flatMap(({ joins }, chunk) => joins.map((offset) => ({ chunk, offset })));
}

/** Joins as offsets in the whole stream: an undecided PES moves cuts, never joins. */
function joinPlaces(chunks: readonly CutChunk[]): number[] {
  return joinPoints(chunks).map(
    ({ chunk, offset }) => bytesOf(chunks.slice(0, chunk)).length + offset,
  );
}

describe('with streams of a real encoder', function () {
  before(function () {
    if (spawnSync('ffmpeg', ['-version']).status !== 0) this.skip();
  });

  const codecs: [string, string[]][] = [
    ['H.264', ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p']],
    [
      'HEVC',
      ['-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', 'log-level=none:keyint=12'],
    ],
    ['MPEG-2', ['-c:v', 'mpeg2video', '-b:v', '1M']],
  ];
  for (const [name, codec] of codecs) {
    it(`joins ${name} at every keyframe with a picture at once`, () => {
      const chunks = cut(encode(codec, 0), false);
      const points = joinPoints(chunks);
      expect(points.length).to.be.within(6, 8);
      for (const { chunk, offset } of points) {
        const { bytes, tables } = chunks[chunk]!;
        const rest = [bytes.subarray(offset), bytesOf(chunks.slice(chunk + 1))];
        const out = Buffer.concat([joinHead(tables!, bytes, offset), ...rest]);
        expect(complaints(out)).to.equal('');
        expect(firstVideoFlags(out)).to.match(/^K/);
      }
    });

    it(`finds the keyframes of ${name} that carry no random access flag`, () => {
      const stream = encode(codec, 0);
      const plain = Buffer.from(stream);
      for (let at = 0; at < plain.length; at += 188) {
        if ((plain[at + 3]! & 0x20) !== 0 && plain[at + 4]! > 0) plain[at + 5]! &= 0xbf;
      }
      expect(joinPlaces(cut(plain, false))).to.deep.equal(joinPlaces(cut(stream, false)));
    });
  }

  it('goes on without a complaint when a player skips from keyframe to keyframe', () => {
    const chunks = cut(encode(codecs[0]![1], 0), false);
    const points = joinPoints(chunks);
    const head = bytesOf(chunks.slice(0, points[1]!.chunk));
    for (const { chunk, offset } of points.slice(2)) {
      const { bytes, tables } = chunks[chunk]!;
      const splice = spliceHead(tables!, bytes, offset);
      const rest = bytesOf(chunks.slice(chunk + 1));
      const tail = Buffer.concat([splice.head, bytes.subarray(splice.from), rest]);
      const upTo = chunks[points[1]!.chunk]!.bytes.subarray(0, points[1]!.offset);
      expect(complaints(Buffer.concat([head, upTo, tail]))).to.equal('');
      expect(firstVideoFlags(tail)).to.match(/^K/);
    }
  });

  it('goes on without a complaint or an unmarked jump when another source takes over', () => {
    const first = cut(encode(codecs[0]![1], 0), false, 188_000);
    const second = encode(codecs[0]![1], 90);
    // Begins in the middle of a group of pictures, as an engine does.
    const late = cut(second.subarray(Math.floor(second.length / 3)), true, 188_000);
    const out = Buffer.concat([bytesOf(first), bytesOf(late)]);
    expect(late[0]!.splice).to.be.true;
    expect(continuityFaults(out)).to.deep.equal([]);
    expect(complaints(out)).to.equal('');
  });

  it('cuts a first chunk that plays by itself', () => {
    const [first] = cut(encode(codecs[0]![1], 0), false, 188 * 500);
    expect(firstVideoFlags(first!.bytes)).to.match(/^K/);
  });
});
