import { expect } from 'chai';
import fc from 'fast-check';

import { headerAt } from '../../../src/shared/mpegts/packet.js';
import type { Tables } from '../../../src/worker/contracts.js';
import { TableTracker } from '../../../src/worker/engine/ts-tables.js';
import type { ElementaryStream, Program } from '../../helpers/ts-packets.js';
import {
  patSection,
  pmtSection,
  section,
  splitPackets,
  TsWriter,
} from '../../helpers/ts-packets.js';

const TV: Program = {
  program: 1,
  pid: 0x100,
  pcrPid: 0x101,
  streams: [
    { pid: 0x101, type: 0x1b },
    { pid: 0x102, type: 0x0f },
  ],
};
const RADIO: Program = {
  program: 2,
  pid: 0x200,
  pcrPid: 0x201,
  streams: [{ pid: 0x201, type: 0x03 }],
};

function track(packets: readonly Buffer[], tracker = new TableTracker()): Tables | null {
  for (const packet of packets) {
    const header = headerAt(packet, 0);
    if (tracker.pids.includes((header >>> 8) & 0x1fff)) tracker.push(packet, 0, header);
  }
  return tracker.tables;
}

describe('TableTracker', () => {
  it('reads PIDs from PAT and PMT', () => {
    const tables = track(new TsWriter().tables([TV]).packets);
    expect(tables).to.include({ videoPid: 0x101, pcrPid: 0x101 });
    expect(tables?.audioPids).to.deep.equal([0x102]);
    expect(tables?.pmtPids).to.deep.equal([0x100]);
  });

  it('gives packets from which the same tables are read again', () => {
    const tables = track(new TsWriter().tables([RADIO, TV]).packets);
    const packets = tables?.packets ?? Buffer.alloc(0);
    const again = track([0, 1, 2].map((n) => packets.subarray(n * 188, (n + 1) * 188)));
    expect(again).to.deep.equal(tables);
  });

  it('takes the first program with video, and the first of all when none has', () => {
    expect(track(new TsWriter().tables([RADIO, TV]).packets)).to.include({ videoPid: 0x101 });
    const other = { ...RADIO, program: 3, pid: 0x300 };
    const radio = track(new TsWriter().tables([RADIO, other]).packets);
    expect(radio).to.include({ videoPid: null, pcrPid: 0x201 });
    expect(radio?.pmtPids).to.deep.equal([0x200, 0x300]);
  });

  it('takes the first video of a program', () => {
    const streams = [...TV.streams, { pid: 0x1ff, type: 0x1b }];
    const tables = track(new TsWriter().tables([{ ...TV, streams }]).packets);
    expect(tables).to.include({ videoPid: 0x101 });
  });

  it('waits for every PMT, but not for one that is in the PAT only', () => {
    const writer = new TsWriter().section(0, patSection([RADIO, TV]));
    writer.section(RADIO.pid, pmtSection(RADIO));
    expect(track(writer.packets)).to.equal(null);
    writer.section(RADIO.pid, pmtSection(RADIO));
    expect(track(writer.packets)).to.include({ videoPid: null });
    writer.section(TV.pid, pmtSection(TV));
    expect(track(writer.packets)).to.include({ videoPid: 0x101 });
  });

  it('reads a PMT that spans packets', () => {
    const streams = Array.from({ length: 150 }, (_, n) => ({ pid: 0x400 + n, type: 0x0f }));
    const writer = new TsWriter().tables([{ ...TV, streams }]);
    expect(writer.packets.length).to.be.greaterThan(4);
    const tables = track(writer.packets);
    expect(tables?.audioPids).to.deep.equal(streams.map(({ pid }) => pid));
    const copies = splitPackets(tables?.packets ?? Buffer.alloc(0));
    expect(track(copies)).to.deep.equal(tables);
  });

  it('drops a section with a packet missing in its middle', () => {
    const streams = Array.from({ length: 150 }, (_, n) => ({ pid: 0x400 + n, type: 0x0f }));
    const { packets } = new TsWriter().tables([{ ...TV, streams }]);
    expect(track(packets.filter((_, index) => index !== 3))).to.equal(null);
  });

  it('ignores a section with any bit flipped', () => {
    const writer = new TsWriter().tables([TV]);
    const end = 5 + pmtSection(TV).length;
    fc.assert(
      fc.property(fc.integer({ min: 5, max: end - 1 }), fc.nat(7), (at, bit) => {
        const [pat, pmt] = writer.packets.map((packet) => Buffer.from(packet));
        pmt![at]! ^= 1 << bit;
        expect(track([pat!, pmt!])).to.equal(null);
      }),
    );
  });

  it('names equal tables equally and others differently', () => {
    const first = track(new TsWriter().tables([TV]).packets);
    const shifted = new TsWriter().tables([TV]).tables([TV]).packets.slice(2);
    expect(track(shifted)?.name).to.equal(first?.name);
    expect(track(new TsWriter().tables([TV], 1).packets)?.name).not.to.equal(first?.name);
  });

  it('follows a new version and keeps its object while nothing is new', () => {
    const tracker = new TableTracker();
    const writer = new TsWriter().tables([TV]);
    const first = track(writer.packets, tracker);
    expect(track(writer.packets, tracker)).to.equal(first);
    const moved = { ...TV, pid: 0x110, streams: [{ pid: 0x111, type: 0x24 }] };
    const announced = new TsWriter().section(0, patSection([moved], 1));
    expect(track(announced.packets, tracker), 'until the new PMT is there').to.equal(first);
    expect(track(writer.packets, tracker), 'also when the old ones return').to.equal(first);
    const second = track(new TsWriter().tables([moved], 1).packets, tracker);
    expect(second).to.include({ videoPid: 0x111 });
    expect(second?.pmtPids).to.deep.equal([0x110]);
    expect(tracker.pids).to.deep.equal([0, 0x110]);
  });

  it('ignores tables that are announced but not yet current', () => {
    const writer = new TsWriter().section(0, patSection([TV]));
    writer.section(TV.pid, pmtSection(TV, 1, false));
    expect(track(writer.packets)).to.equal(null);
    writer.section(TV.pid, pmtSection(TV, 1, true));
    expect(track(writer.packets)).not.to.equal(null);
  });

  const registration = (name: string): Buffer => Buffer.from([0x05, 4, ...Buffer.from(name)]);
  const kinds: [string, ElementaryStream, 'video' | 'audio' | 'neither'][] = [
    ['MPEG-1 video', { pid: 0x50, type: 0x01 }, 'video'],
    ['MPEG-2 video', { pid: 0x50, type: 0x02 }, 'video'],
    ['H.264', { pid: 0x50, type: 0x1b }, 'video'],
    ['HEVC', { pid: 0x50, type: 0x24 }, 'video'],
    ['VC-1', { pid: 0x50, type: 0xea }, 'video'],
    ['MPEG-1 audio', { pid: 0x50, type: 0x03 }, 'audio'],
    ['MPEG-2 audio', { pid: 0x50, type: 0x04 }, 'audio'],
    ['ADTS', { pid: 0x50, type: 0x0f }, 'audio'],
    ['LATM', { pid: 0x50, type: 0x11 }, 'audio'],
    ['ATSC AC-3', { pid: 0x50, type: 0x81 }, 'audio'],
    ['DVB AC-3', { pid: 0x50, type: 6, descriptors: Buffer.from([0x0a, 1, 0, 0x6a, 0]) }, 'audio'],
    ['registered Opus', { pid: 0x50, type: 6, descriptors: registration('Opus') }, 'audio'],
    ['registered KLVA', { pid: 0x50, type: 6, descriptors: registration('KLVA') }, 'neither'],
    ['teletext', { pid: 0x50, type: 6, descriptors: Buffer.from([0x56, 1, 0]) }, 'neither'],
    [
      'a cut descriptor',
      { pid: 0x50, type: 6, descriptors: Buffer.from([0x05, 200, 1]) },
      'neither',
    ],
  ];
  for (const [name, stream, kind] of kinds) {
    it(`takes ${name} for ${kind === 'neither' ? 'neither video nor audio' : kind}`, () => {
      const tables = track(new TsWriter().tables([{ ...TV, streams: [stream] }]).packets);
      expect(tables?.videoPid).to.equal(kind === 'video' ? 0x50 : null);
      expect(tables?.audioPids).to.deep.equal(kind === 'audio' ? [0x50] : []);
    });
  }

  it('takes any payload on its PIDs without throwing', () => {
    const body = fc.uint8Array({ minLength: 184, maxLength: 184 });
    fc.assert(
      fc.property(fc.array(fc.tuple(body, fc.boolean()), { maxLength: 6 }), (payloads) => {
        const tracker = new TableTracker();
        track(new TsWriter().section(0, patSection([TV])).packets, tracker);
        for (const pid of [0, TV.pid]) {
          const writer = new TsWriter();
          for (const [payload, unitStart] of payloads) {
            writer.packet(pid, Buffer.from(payload), { unitStart });
          }
          track(writer.packets, tracker);
        }
        expect(tracker.tables).to.equal(null);
      }),
    );
  });

  it('takes sections with a right checksum and wild contents without throwing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.constantFrom(0, 2), (body, tableId) => {
        const tracker = new TableTracker();
        const pid = tableId === 0 ? 0 : TV.pid;
        const writer = new TsWriter().section(0, patSection([TV]));
        writer.section(pid, section(tableId, TV.program, 1, [...body]));
        const tables = track(writer.packets, tracker);
        const pids = [...tracker.pids, ...(tables?.audioPids ?? []), tables?.videoPid ?? 0];
        for (const named of pids) expect(named).to.be.within(0, 0x1fff);
      }),
    );
  });
});
