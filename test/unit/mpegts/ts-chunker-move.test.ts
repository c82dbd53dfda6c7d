import { expect } from 'chai';
import fc from 'fast-check';

import type { CutChunk } from '../../../src/worker/contracts.js';
import type { Suspension } from '../../../src/worker/engine/ts-chunker.js';
import { ChunkerPhase } from '../../../src/worker/engine/ts-stats.js';
import type { Program } from '../../helpers/ts-packets.js';
import { cutAt, H264, TsWriter } from '../../helpers/ts-packets.js';
import { ADTS, AUDIO, Bench, TV, VIDEO } from './chunker-bench.js';

const SHORT: Program = { ...TV, streams: [{ pid: VIDEO, type: 0x1b }] };
const RADIO: Program = { ...TV, pcrPid: AUDIO, streams: [{ pid: AUDIO, type: 0x0f }] };
/** A PMT of several packets. */
const LONG: Program = {
  ...TV,
  streams: [
    ...TV.streams,
    ...Array.from({ length: 80 }, (_, n) => ({ pid: 0x400 + n, type: 0x0f })),
  ],
};
/** In the PAT, and never in the stream. */
const ABSENT: Program = { ...TV, program: 9, pid: 0x199 };

const step = fc.tuple(
  fc.constantFrom('flagged', 'plain', 'late', 'delta', 'audio', 'null', 'tables', 'moved', 'noise'),
  fc.integer({ min: 1, max: 1500 }),
);
const script = fc.array(step, { minLength: 3, maxLength: 40 });
const places = fc.array(fc.nat(), { maxLength: 30 });

function write(writer: TsWriter, program: Program, [name, size]: readonly [string, number]): void {
  if (name === 'flagged') writer.pes(VIDEO, H264.delta(), size, { randomAccess: true, pcr: 9 });
  else if (name === 'plain') writer.pes(VIDEO, H264.key(), size);
  else if (name === 'late') writer.pes(VIDEO, H264.key(500), size + 700);
  else if (name === 'delta') writer.pes(VIDEO, H264.delta(), size);
  else if (name === 'audio') writer.pes(AUDIO, ADTS, size);
  else if (name === 'null') writer.nulls();
  else if (name === 'tables') writer.tables([program]);
  else if (name === 'moved') writer.tables([SHORT], 1);
  else writer.packets.push(Buffer.alloc(50 + (size % 400), 0x11));
}

function bytesOf(chunks: readonly CutChunk[]): Buffer {
  return Buffer.concat(chunks.map(({ bytes }) => bytes));
}

/** Places in the stream where a player can join. */
function joinsOf(chunks: readonly CutChunk[]): number[] {
  let before = 0;
  return chunks.flatMap(({ bytes, joins }) => {
    const found = joins.map((at) => before + at);
    before += bytes.length;
    return found;
  });
}

/** Hands the source to a new chunker after each piece that `moves` says, where that is possible. */
function runMoving(pieces: readonly Buffer[], moves: readonly boolean[]): [CutChunk[], number] {
  let bench = new Bench({ chunkBytes: 3_760 });
  let moved = 0;
  const chunks = pieces.flatMap((piece, index) => {
    const cut = bench.chunker.push(piece);
    const suspended = moves[index] === true ? bench.chunker.suspend() : null;
    if (suspended === null) return cut;
    moved += 1;
    bench = continued(suspended);
    return [...cut, ...suspended.chunks];
  });
  return [[...chunks, ...bench.chunker.end()], moved];
}

function continued({ tables, rest }: Suspension): Bench {
  return new Bench({ chunkBytes: 3_760, splice: true, continues: { tables, rest } });
}

describe('TsChunker handed over to another one', () => {
  for (const [name, program] of [
    ['TV', TV],
    ['radio', RADIO],
    ['a long PMT', LONG],
  ] as const) {
    it(`gives out the packets of one chunker, and all joins but one a move: ${name}`, () => {
      let moves = 0;
      fc.assert(
        fc.property(script, places, fc.array(fc.boolean()), (steps, cuts, moving) => {
          const writer = new TsWriter().tables([program, ABSENT]).tables([program, ABSENT]);
          writer.pes(VIDEO, H264.key(), 300).pes(AUDIO, ADTS, 300);
          for (const each of steps) write(writer, program, each);
          const pieces = cutAt(writer.bytes, cuts);
          const whole = new Bench({ chunkBytes: 3_760 }).run(pieces);
          const [chunks, moved] = runMoving(pieces, moving);
          moves += moved;
          expect(bytesOf(chunks).equals(bytesOf(whole))).to.equal(true);
          const wanted = joinsOf(whole);
          const joins = joinsOf(chunks);
          const missing = wanted.filter((at) => !joins.includes(at));
          if (program !== RADIO) {
            expect(joins.filter((at) => !wanted.includes(at))).to.deep.equal([]);
            expect(missing).to.have.length.at.most(moved);
          }
          for (const { bytes, splice } of chunks) {
            expect(splice).to.equal(false);
            expect(bytes.length).to.be.within(188, 3_760);
          }
        }),
        { numRuns: 300 },
      );
      expect(moves).to.be.greaterThan(100);
    });
  }

  it('takes the tables for known: the first chunk has them, and no cut is made when they come', () => {
    const writer = new TsWriter().tables([TV]).pes(VIDEO, H264.key(), 300).nulls(2);
    const first = new Bench();
    const begun = first.chunker.push(writer.bytes);
    const suspended = first.chunker.suspend()!;
    expect(begun).to.deep.equal([]);
    expect(suspended.rest.length).to.equal(188);
    const second = continued(suspended);
    expect(second.chunker.stats.phase).to.equal(ChunkerPhase.Running);
    const more = new TsWriter().pes(AUDIO, ADTS, 100).tables([TV]).pes(VIDEO, H264.key(), 300);
    const [chunk, ...none] = second.run([more.bytes]);
    expect(none).to.deep.equal([]);
    expect(chunk?.tables).to.deep.equal(suspended.tables);
    expect(chunk?.joins).to.have.length(1);
    expect(second.chunker.stats).to.include({ syncLosses: 0, droppedBytes: 0 });
  });

  it('sees new tables after the move', () => {
    const first = new Bench();
    first.chunker.push(new TsWriter().tables([TV]).pes(VIDEO, H264.key(), 300).nulls(2).bytes);
    const second = continued(first.chunker.suspend()!);
    const chunks = second.run([new TsWriter().tables([SHORT], 1).nulls(3).bytes]);
    expect(chunks[0]?.tables?.audioPids).to.deep.equal([AUDIO]);
    expect(chunks.at(-1)?.tables?.audioPids).to.deep.equal([]);
  });

  it('goes on with tables that it cannot read until the stream repeats its own', () => {
    const first = new Bench();
    first.chunker.push(new TsWriter().tables([TV]).pes(VIDEO, H264.key(), 300).nulls(2).bytes);
    const { tables, rest, chunks } = first.chunker.suspend()!;
    const packets = Buffer.alloc(tables.packets.length, 0xff);
    const second = continued({ chunks, rest, tables: { ...tables, packets } });
    const writer = new TsWriter().tables([TV]).pes(VIDEO, H264.key(), 300).nulls(1);
    const cut = second.run([writer.bytes]);
    expect(cut).to.have.length(1);
    expect(joinsOf(cut)).to.have.length(1);
    expect(bytesOf(cut).length).to.equal(writer.bytes.length + 188);
  });

  it('cannot move before it runs, nor while it looks for the grid', () => {
    const bench = new Bench();
    expect(bench.chunker.suspend()).to.equal(null);
    const writer = new TsWriter().tables([TV]);
    bench.chunker.push(writer.bytes);
    expect(bench.chunker.suspend()).to.equal(null);
    bench.chunker.push(writer.pes(VIDEO, H264.key(), 300).nulls(2).bytes);
    bench.chunker.push(Buffer.alloc(1_000, 0x11));
    expect(bench.chunker.suspend()).to.equal(null);
  });

  it('gives up a keyframe that is not decided, and none of its bytes', () => {
    const bench = new Bench();
    const writer = new TsWriter().tables([TV]).pes(VIDEO, H264.key(), 300);
    const late = writer.packets.length;
    writer.pes(VIDEO, H264.key(500), 1_500);
    bench.chunker.push(Buffer.concat(writer.packets.slice(0, late + 2)));
    const suspended = bench.chunker.suspend()!;
    const rest = Buffer.concat(writer.packets.slice(late + 2));
    const chunks = [...suspended.chunks, ...continued(suspended).run([rest])];
    expect(bytesOf(chunks).equals(writer.bytes)).to.equal(true);
    expect(joinsOf(chunks)).to.have.length(1);
  });
});
