import { expect } from 'chai';

import { ChunkerPhase } from '../../../src/worker/engine/ts-stats.js';
import type { Program } from '../../helpers/ts-packets.js';
import { continuityFaults, H264, patSection, TsWriter } from '../../helpers/ts-packets.js';
import { ADTS, AUDIO, Bench, hex, joinPackets, pidOf, TV, VIDEO } from './chunker-bench.js';

const RADIO: Program = { ...TV, pcrPid: AUDIO, streams: [{ pid: AUDIO, type: 0x0f }] };
const OPAQUE: Program = { ...TV, streams: [{ pid: VIDEO, type: 0xea }] };
const SUBTITLES: Program = { ...TV, streams: [{ pid: 0x103, type: 0x06 }] };

describe('TsChunker at the beginning of a source', () => {
  it('begins radio at an audio start and notes one join a chunk', () => {
    const writer = new TsWriter().tables([RADIO]);
    const first = writer.packets.length;
    for (let n = 0; n < 20; n += 1) writer.pes(AUDIO, ADTS, 400);
    const chunks = new Bench({ chunkBytes: 10 * 188 }).run([writer.bytes]);
    expect(chunks.length).to.be.greaterThan(3);
    for (const { joins } of chunks.slice(0, -1)) expect(joins.length).to.equal(1);
    expect(joinPackets(chunks)[0]!.equals(writer.packets[first]!)).to.be.true;
  });

  it('begins without a join when no keyframe comes in time', () => {
    const bench = new Bench({ keyframeWaitMs: 5000 });
    const writer = new TsWriter().tables([TV]).pes(VIDEO, H264.delta(), 900);
    expect(bench.chunker.push(Buffer.concat([writer.bytes]))).to.deep.equal([]);
    bench.now = 5000;
    const start = writer.packets.length;
    writer.pes(VIDEO, H264.delta(), 900).pes(VIDEO, H264.key(), 900);
    const chunks = bench.run([Buffer.concat(writer.packets.slice(start))]);
    expect(chunks[0]!.bytes.subarray(2 * 188, 3 * 188).equals(writer.packets[start]!)).to.be.true;
    expect(joinPackets(chunks)).to.have.length(1);
    expect(chunks[0]!.joins[0]).to.be.greaterThan(2 * 188);
  });

  it('begins without a join when no keyframe comes in many bytes, audio where video is absent', () => {
    const writer = new TsWriter().tables([TV]);
    for (let n = 0; n < 30; n += 1) writer.pes(AUDIO, ADTS, 150);
    const chunks = new Bench({ keyframeWaitBytes: 20 * 188 }).run([writer.bytes]);
    expect(chunks).to.have.length(1);
    expect(chunks[0]!.joins).to.deep.equal([]);
    expect(pidOf(chunks[0]!.bytes.subarray(2 * 188))).to.equal(AUDIO);
  });

  it('never begins at audio while video is there', () => {
    const bench = new Bench({ keyframeWaitMs: 0 });
    const writer = new TsWriter().tables([TV]).packet(VIDEO, Buffer.alloc(184, 0x77));
    writer.pes(AUDIO, ADTS, 900).pes(VIDEO, H264.delta(), 900);
    const [first] = bench.run([writer.bytes]);
    expect(pidOf(first!.bytes.subarray(2 * 188))).to.equal(VIDEO);
  });

  it('reads no keyframe out of scrambled video', () => {
    const writer = new TsWriter().tables([TV]).pes(VIDEO, H264.key(), 150, { scrambled: true });
    writer.nulls(5);
    expect(new Bench().run([writer.bytes])).to.deep.equal([]);
  });

  it('trusts the random access flag of video it cannot read', () => {
    const writer = new TsWriter().tables([OPAQUE]).pes(VIDEO, Buffer.from([1]), 400);
    const first = writer.packets.length;
    writer.pes(VIDEO, Buffer.from([1]), 400, { randomAccess: true, scrambled: true });
    const chunks = new Bench().run([writer.bytes]);
    expect(hex(joinPackets(chunks))).to.deep.equal(hex([writer.packets[first]!]));
  });

  it('begins at the tables when they name neither video nor audio', () => {
    const writer = new TsWriter().nulls(2).tables([SUBTITLES]).nulls(5);
    const chunks = new Bench().run([writer.bytes]);
    expect(chunks[0]!.bytes.length).to.equal((2 + 5) * 188);
    expect(continuityFaults(Buffer.concat([chunks[0]!.bytes]))).to.deep.equal([]);
  });

  it('gives nothing out before the tables', () => {
    const bench = new Bench({ keyframeWaitMs: 0 });
    const writer = new TsWriter().section(0, patSection([TV])).pes(VIDEO, H264.key(), 5000);
    expect(bench.run([writer.bytes])).to.deep.equal([]);
    expect(bench.chunker.stats.phase).to.equal(ChunkerPhase.Tables);
  });
});
