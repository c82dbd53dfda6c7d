import { expect } from 'chai';
import fc from 'fast-check';

import type { CutChunk } from '../../../src/worker/contracts.js';
import { ChunkerPhase } from '../../../src/worker/engine/ts-stats.js';
import type { Program } from '../../helpers/ts-packets.js';
import { continuityFaults, cutAt, H264, splitPackets, TsWriter } from '../../helpers/ts-packets.js';
import { ADTS, AUDIO, Bench, hex, joinPackets, pidOf, TV, VIDEO } from './chunker-bench.js';

/** What a keyframe may look like to the chunker, and everything that goes between keyframes. */
const step = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom('flagged', 'plain', 'late') },
  { weight: 6, arbitrary: fc.constantFrom('delta', 'intra', 'audio', 'null', 'tables') },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Writes a step; true when it began with a keyframe packet. */
function write(writer: TsWriter, name: Step, size: number): boolean {
  if (name === 'flagged') writer.pes(VIDEO, H264.delta(), size, { randomAccess: true, pcr: 9 });
  else if (name === 'plain') writer.pes(VIDEO, H264.key(), size);
  else if (name === 'late') writer.pes(VIDEO, H264.key(500), size + 700);
  else if (name === 'delta') writer.pes(VIDEO, H264.delta(), size);
  else if (name === 'intra') writer.pes(VIDEO, H264.intra(), size);
  else if (name === 'audio') writer.pes(AUDIO, ADTS, size);
  else if (name === 'null') writer.nulls();
  else writer.tables([TV]);
  return name === 'flagged' || name === 'plain' || name === 'late';
}

const steps = fc.array(fc.tuple(step, fc.integer({ min: 1, max: 1500 })), { maxLength: 40 });
const cuts = fc.array(fc.nat(), { maxLength: 30 });

describe('TsChunker', () => {
  it('gives back every packet from the first keyframe on, wherever the input is cut', () => {
    fc.assert(
      fc.property(steps, cuts, fc.integer({ min: 12, max: 60 }), (script, places, perChunk) => {
        const writer = new TsWriter().nulls(3).tables([TV]);
        const keys: number[] = [];
        for (const [name, size] of script) {
          const at = writer.packets.length;
          if (write(writer, name, size)) keys.push(at);
        }
        const chunks = new Bench({ chunkBytes: perChunk * 188 }).run(cutAt(writer.bytes, places));
        const expected = keys.map((at) => writer.packets[at]!);
        expect(hex(joinPackets(chunks))).to.deep.equal(hex(expected));
        if (keys.length === 0) {
          expect(chunks).to.deep.equal([]);
          return;
        }
        const out = Buffer.concat(chunks.map(({ bytes }) => bytes));
        const wanted = writer.packets.slice(keys[0]);
        expect(hex(splitPackets(out.subarray(2 * 188)))).to.deep.equal(hex(wanted));
        expect(continuityFaults(out)).to.deep.equal([]);
        for (const { bytes, tables } of chunks) {
          expect(bytes.length).to.be.within(188, perChunk * 188);
          expect(bytes.length % 188).to.equal(0);
          expect(tables).to.include({ videoPid: VIDEO, name: chunks[0]!.tables!.name });
        }
      }),
      { numRuns: 300 },
    );
  });

  it('cuts the same when it is flushed after every push', () => {
    fc.assert(
      fc.property(steps, cuts, (script, places) => {
        const writer = new TsWriter().nulls(3).tables([TV]);
        const keys: Buffer[] = [];
        for (const [name, size] of script) {
          const at = writer.packets.length;
          if (write(writer, name, size)) keys.push(writer.packets[at]!);
        }
        const bench = new Bench({ keyframeWaitMs: 1e9 });
        const chunks: CutChunk[] = [];
        for (const piece of cutAt(writer.bytes, places)) {
          chunks.push(...bench.chunker.push(piece));
          bench.now += 1000;
          chunks.push(...[bench.chunker.flushDue()].filter((chunk) => chunk !== null));
        }
        chunks.push(...bench.chunker.end());
        expect(hex(joinPackets(chunks))).to.deep.equal(hex(keys));
        const out = Buffer.concat(chunks.map(({ bytes }) => bytes));
        const first = writer.packets.indexOf(keys[0]!);
        const wanted = first === -1 ? [] : writer.packets.slice(first);
        expect(hex(splitPackets(out.subarray(2 * 188)))).to.deep.equal(hex(wanted));
      }),
    );
  });

  it('marks every PID once at the splice and changes nothing else', () => {
    fc.assert(
      fc.property(steps, cuts, (script, places) => {
        const old = new TsWriter().tables([TV]).pes(VIDEO, H264.key(), 3000).pes(AUDIO, ADTS, 500);
        const writer = new TsWriter();
        // Counters that do not continue the old source's.
        for (const pid of [0, TV.pid, VIDEO, AUDIO]) writer.lose(pid, 7);
        writer.tables([TV]);
        const before = script.length % 2 === 0 ? 'delta' : 'audio';
        write(writer, before, 900);
        const first = writer.packets.length;
        write(writer, 'flagged', 700);
        for (const [name, size] of script) write(writer, name, size);
        const chunks = new Bench({ splice: true, chunkBytes: 20 * 188 }).run(
          cutAt(writer.bytes, places),
        );
        expect(chunks.map(({ splice }) => splice)).to.deep.equal(chunks.map((_, n) => n === 0));

        const out = Buffer.concat(chunks.map(({ bytes }) => bytes));
        expect(continuityFaults(Buffer.concat([old.bytes, out]))).to.deep.equal([]);
        const isMarker = (packet: Buffer): boolean => packet[4] === 183 && packet[5] === 0x80;
        const media = splitPackets(out).filter((packet) => !isMarker(packet));
        expect(media.slice(0, 2).map(pidOf)).to.deep.equal([0, TV.pid]);
        const marked = Buffer.from(writer.packets[first]!);
        marked[5]! |= 0x80;
        expect(media[2]!.equals(marked)).to.be.true;
        expect(joinPackets(chunks)[0]!.equals(marked)).to.be.true;
        expect(hex(media.slice(3))).to.deep.equal(hex(writer.packets.slice(first + 1)));
        const markers = splitPackets(out).filter(isMarker).map(pidOf);
        expect(new Set(markers).size).to.equal(markers.length);
      }),
    );
  });

  it('gives up a PES that fills a chunk before it is known for a keyframe', () => {
    const writer = new TsWriter().tables([TV]).pes(VIDEO, H264.key(), 600);
    const bench = new Bench({ chunkBytes: 10 * 188 });
    writer.pes(VIDEO, H264.key(3000), 3500).pes(VIDEO, H264.key(), 600);
    const chunks = bench.run([writer.bytes]);
    expect(joinPackets(chunks)).to.have.length(2);
    for (const { bytes } of chunks) expect(bytes.length).to.be.within(188, 10 * 188);
    expect(Buffer.concat(chunks.map(({ bytes }) => bytes)).length).to.equal(writer.bytes.length);
  });

  it('forgets an undecided PES when the tables change', () => {
    const moved: Program = { ...TV, streams: [{ pid: 0x111, type: 0x1b }] };
    const writer = new TsWriter().tables([TV]).pes(VIDEO, H264.key(), 600);
    const late = new TsWriter().pes(VIDEO, H264.key(500), 900).packets[0]!;
    const { packets } = new TsWriter().tables([moved], 1).nulls(1);
    const bench = new Bench();
    const chunks = bench.chunker.push(Buffer.concat([writer.bytes, late, ...packets]));
    const cut = Buffer.concat(chunks.map(({ bytes }) => bytes));
    expect(cut.equals(Buffer.concat([writer.bytes, late, ...packets.slice(0, 2)]))).to.be.true;
  });

  it('reads tables of which every packet comes twice', () => {
    const streams = Array.from({ length: 80 }, (_, n) => ({ pid: 0x400 + n, type: 0x0f }));
    const writer = new TsWriter().tables([{ ...TV, streams: [...TV.streams, ...streams] }]);
    writer.pes(VIDEO, H264.key(), 600);
    const bench = new Bench();
    expect(
      bench.run([Buffer.concat(writer.packets.flatMap((packet) => [packet, packet]))]),
    ).to.have.length(1);
    expect(bench.chunker.stats.continuityErrors).to.equal(0);
  });

  it('begins a new chunk behind new tables, so that each join lies under its own', () => {
    const moved: Program = { ...TV, pcrPid: 0x111, streams: [{ pid: 0x111, type: 0x1b }] };
    const writer = new TsWriter().tables([TV]).pes(VIDEO, H264.key(), 600);
    writer.tables([moved], 1).pes(0x111, H264.key(), 600);
    const chunks = new Bench().run([writer.bytes]);
    expect(joinPackets(chunks).map(pidOf)).to.deep.equal([VIDEO, 0x111]);
    for (const chunk of chunks) {
      for (const packet of joinPackets([chunk])) {
        expect(pidOf(packet)).to.equal(chunk.tables?.videoPid);
      }
    }
  });

  it('cuts by time only when the oldest packet is old enough', () => {
    const bench = new Bench();
    const { packets } = new TsWriter().tables([TV]).pes(VIDEO, H264.key(), 3000).nulls(1);
    expect(bench.chunker.flushAt).to.equal(null);
    bench.now = 50;
    expect(bench.chunker.push(Buffer.concat(packets))).to.deep.equal([]);
    expect(bench.chunker.flushAt).to.equal(150);
    bench.now = 149;
    expect(bench.chunker.flushDue()).to.equal(null);
    bench.now = 150;
    // The last packet waits for the sync byte behind it.
    expect(bench.chunker.flushDue()?.bytes.length).to.equal((packets.length - 1) * 188);
    expect(bench.chunker.flushDue()).to.equal(null);
    bench.now = 5000;
    bench.chunker.push(new TsWriter().nulls(3).bytes);
    expect(bench.chunker.flushAt, 'the age counts from the next packet').to.equal(5100);
    expect(bench.chunker.end()).to.have.length(1);
  });

  it('holds a PES that may be a keyframe back from a cut until that is known', () => {
    const bench = new Bench();
    const writer = new TsWriter().tables([TV]).pes(VIDEO, H264.key(), 600);
    const late = writer.packets.length;
    writer.pes(VIDEO, H264.key(500), 1500);
    bench.chunker.push(Buffer.concat(writer.packets.slice(0, late + 2)));
    bench.now = 100;
    expect(bench.chunker.flushDue()?.bytes.length).to.equal(late * 188);
    bench.now = 200;
    expect(bench.chunker.flushAt, 'a timer has nothing to wait for').to.equal(null);
    expect(bench.chunker.flushDue()).to.equal(null);
    bench.chunker.push(Buffer.concat(writer.packets.slice(late + 2)));
    expect(bench.chunker.flushDue()?.joins).to.deep.equal([0]);
  });

  it('copies no media that lies in one buffer', () => {
    const bench = new Bench({ chunkBytes: 200 * 188 });
    const writer = new TsWriter().tables([TV]).pes(VIDEO, H264.key(), 600);
    bench.chunker.push(writer.bytes);
    bench.now = 100;
    bench.chunker.flushDue();
    const input = new TsWriter().nulls(400).bytes;
    const chunks = bench.chunker.push(input);
    expect(chunks.map(({ bytes }) => bytes.buffer === input.buffer)).to.deep.equal([false, true]);
  });

  it('does not keep a large read buffer alive for a small chunk', () => {
    const bench = new Bench({ chunkBytes: 10 * 188 });
    const writer = new TsWriter().tables([TV]).pes(VIDEO, H264.key(), 600);
    bench.chunker.push(writer.bytes);
    bench.now = 100;
    bench.chunker.flushDue();
    const slab = Buffer.alloc(65_536);
    const { bytes } = new TsWriter().nulls(50);
    bytes.copy(slab);
    const chunks = bench.chunker.push(slab.subarray(0, bytes.length));
    expect(chunks.length).to.be.greaterThan(3);
    for (const chunk of chunks) expect(chunk.bytes.buffer).not.to.equal(slab.buffer);
  });

  it('counts packets, jumps and the bit rate by the program clock', () => {
    const bench = new Bench();
    const writer = new TsWriter().tables([TV]);
    for (let second = 0; second < 5; second += 1) {
      writer.pes(VIDEO, H264.key(), 100, {
        pcr: 2 ** 33 - 90_000 + second * 90_000 - 2 ** 33 * Number(second > 0),
      });
      writer.nulls(99);
    }
    writer
      .lose(AUDIO)
      .pes(AUDIO, ADTS, 100, { scrambled: true })
      .packet(AUDIO, Buffer.alloc(0))
      .lose(AUDIO)
      .packet(AUDIO, Buffer.alloc(0))
      .lose(AUDIO, 3)
      .pes(AUDIO, ADTS, 100);
    bench.now = 77;
    bench.run([writer.bytes]);
    const { clock, units, carries, ...counters } = bench.chunker.stats;
    expect(carries).to.deep.equal({ video: true, audio: true, clock: true });
    expect(clock).to.include({ references: 5, advances: 4, jumps: 0, regressions: 0 });
    expect(units).to.include({ video: 5, audio: 2, keyframes: 5 });
    expect(counters).to.deep.equal({
      phase: ChunkerPhase.Running,
      packets: writer.packets.length,
      nullPackets: 495,
      scrambledPackets: 1,
      transportErrors: 0,
      continuityErrors: 2,
      syncLosses: 0,
      droppedBytes: 0,
      garbage: false,
      bitrate: 100 * 188 * 8,
      pcr: 270_000,
      lastPcrAt: 77,
    });
  });

  it('takes any damage to a stream without throwing and gives out whole packets', () => {
    const edit = fc.tuple(fc.nat(), fc.nat(255));
    fc.assert(
      fc.property(
        fc.array(edit, { maxLength: 60 }),
        cuts,
        fc.boolean(),
        (edits, places, splice) => {
          const writer = new TsWriter().tables([TV]);
          for (const name of ['late', 'delta', 'audio', 'tables', 'plain', 'flagged'] as const) {
            write(writer, name, 900);
          }
          const bytes = Buffer.from(writer.bytes);
          for (const [at, value] of edits) bytes[at % bytes.length] = value;
          for (const chunk of new Bench({ splice, chunkBytes: 1880 }).run(cutAt(bytes, places))) {
            expect(chunk.bytes.length % 188).to.equal(0);
            for (const packet of splitPackets(chunk.bytes)) expect(packet[0]).to.equal(0x47);
            for (const at of chunk.joins) expect(at % 188).to.equal(0);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
