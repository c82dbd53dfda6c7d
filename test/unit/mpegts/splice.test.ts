import { expect } from 'chai';
import fc from 'fast-check';

import { joinHead, nullPackets, spliceHead } from '../../../src/shared/mpegts/splice.js';
import type { Program } from '../../helpers/ts-packets.js';
import { continuityFaults, H264, splitPackets, TsWriter } from '../../helpers/ts-packets.js';

const VIDEO = 0x101;
const AUDIO = 0x102;
const TV: Program = {
  program: 1,
  pid: 0x100,
  pcrPid: VIDEO,
  streams: [
    { pid: VIDEO, type: 0x1b },
    { pid: AUDIO, type: 0x0f },
  ],
};
const WIDE: Program = {
  ...TV,
  streams: [...TV.streams, ...Array.from({ length: 60 }, (_, n) => ({ pid: 0x300 + n, type: 6 }))],
};
const tables = { packets: new TsWriter().tables([TV]).bytes };
const flagged = { randomAccess: true, pcr: 1 };

function pidOf(packet: Buffer): number {
  return packet.readUInt16BE(1) & 0x1fff;
}

/** What a player gets that resumes at `offset`. */
function resumed(bytes: Buffer, offset: number): Buffer {
  const { head, from } = spliceHead(tables, bytes, offset);
  return Buffer.concat([head, bytes.subarray(from)]);
}

describe('spliceHead', () => {
  /** A stream that keeps every PID's counters apart from those of the stream before. */
  const stream = (loss: number): TsWriter => {
    const writer = new TsWriter();
    [0, TV.pid, VIDEO, AUDIO].forEach((pid, n) => writer.lose(pid, loss + n));
    return writer.pes(AUDIO, Buffer.from([1]), 300).tables([TV]);
  };
  const before = new TsWriter()
    .tables([TV])
    .pes(VIDEO, H264.key(), 800)
    .pes(AUDIO, H264.key(), 800);

  it('leaves no unmarked jump on any PID of the chunk, whatever the counters were', () => {
    const tail = fc.array(fc.constantFrom('audio', 'clock', 'tables', 'delta'), { maxLength: 5 });
    fc.assert(
      fc.property(fc.nat(15), fc.boolean(), tail, (loss, hasFlags, rest) => {
        const writer = stream(loss);
        const offset = writer.bytes.length;
        writer.pes(VIDEO, H264.key(), 500, hasFlags ? flagged : {});
        for (const name of rest) {
          if (name === 'audio') writer.pes(AUDIO, Buffer.from([1]), 200);
          else if (name === 'clock') writer.packet(AUDIO, Buffer.alloc(0), { pcr: 5 });
          else if (name === 'delta') writer.pes(VIDEO, H264.delta(), 200);
          else writer.tables([TV]);
        }
        const out = resumed(writer.bytes, offset);
        expect(continuityFaults(Buffer.concat([before.bytes, out]))).to.deep.equal([]);
      }),
    );
  });

  it('sets the mark in the join packet where that has flags, and nothing else in it', () => {
    const writer = stream(0);
    const offset = writer.bytes.length;
    writer.pes(VIDEO, H264.key(), 500, flagged);
    const { bytes } = writer;
    const copy = Buffer.from(bytes);
    const { head, from } = spliceHead(tables, bytes, offset);
    const expected = Buffer.from(bytes.subarray(offset, offset + 188));
    expected[5]! |= 0x80;
    expect(head.subarray(-188).equals(expected)).to.be.true;
    expect(from).to.equal(offset + 188);
    expect(bytes.equals(copy), 'the shared chunk is untouched').to.be.true;
  });

  for (const [name, size] of [
    ['no adaptation field', 500],
    ['an adaptation field too short for flags', 169],
  ] as const) {
    it(`puts a packet with the mark before a join packet with ${name}`, () => {
      const writer = stream(0);
      const offset = writer.bytes.length;
      writer.pes(VIDEO, H264.key(), size);
      const { head, from } = spliceHead(tables, writer.bytes, offset);
      expect(from).to.equal(offset);
      const marker = head.subarray(-188);
      expect(pidOf(marker)).to.equal(VIDEO);
      expect([...marker.subarray(3, 6)]).to.deep.equal([
        0x20 | ((writer.bytes[offset + 3]! - 1) & 15),
        183,
        0x80,
      ]);
    });
  }

  it('begins with PAT and PMT and marks each PID once', () => {
    const writer = stream(3);
    const offset = writer.bytes.length;
    writer
      .nulls()
      .pes(VIDEO, H264.key(), 500)
      .pes(AUDIO, Buffer.from([1]), 500);
    const { head } = spliceHead(tables, writer.bytes, offset + 188);
    const packets = splitPackets(head);
    expect(packets.map(pidOf)).to.deep.equal([0, 0, TV.pid, TV.pid, AUDIO, VIDEO]);
    expect(packets.map((packet) => packet[3]! >> 4)).to.deep.equal([2, 1, 2, 1, 2, 2]);
  });

  it('leaves a PID unmarked whose counter nobody knows, unless the caller does', () => {
    const writer = new TsWriter().pes(VIDEO, H264.key(), 500);
    const pids = (earlier?: Map<number, number>): number[] =>
      splitPackets(spliceHead(tables, writer.bytes, 0, earlier).head).map(pidOf);
    expect(pids()).to.not.include(AUDIO);
    expect(pids(new Map([[AUDIO, 7]]))).to.include(AUDIO);
  });

  it('gives tables and marks alone when nothing follows', () => {
    const { head, from } = spliceHead(tables, Buffer.alloc(0), 0);
    expect(splitPackets(head).map(pidOf)).to.deep.equal([0, 0, TV.pid, TV.pid]);
    expect(from).to.equal(0);
  });
});

describe('joinHead', () => {
  it('gives the tables with counters that the stream continues', () => {
    const wide = { packets: new TsWriter().tables([WIDE]).bytes };
    fc.assert(
      fc.property(fc.nat(15), fc.boolean(), (loss, tablesFollow) => {
        const writer = new TsWriter()
          .lose(0, loss)
          .lose(TV.pid, loss + 5)
          .tables([WIDE]);
        const offset = writer.bytes.length;
        writer.pes(VIDEO, H264.key(), 500);
        if (tablesFollow) writer.tables([WIDE]);
        const head = joinHead(wide, writer.bytes, offset);
        expect(head.length).to.equal(wide.packets.length);
        expect(splitPackets(head).map(pidOf)).to.deep.equal(splitPackets(wide.packets).map(pidOf));
        writer.tables([WIDE]);
        const out = Buffer.concat([head, writer.bytes.subarray(offset)]);
        expect(continuityFaults(out)).to.deep.equal([]);
      }),
    );
  });
});

describe('nullPackets', () => {
  it('gives whole packets of PID 0x1FFF', () => {
    const packets = splitPackets(nullPackets(3));
    expect(packets).to.have.length(3);
    for (const packet of packets) {
      expect([...packet.subarray(0, 5)]).to.deep.equal([0x47, 0x1f, 0xff, 0x10, 0xff]);
    }
  });
});
