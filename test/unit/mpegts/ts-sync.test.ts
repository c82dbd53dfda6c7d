import { expect } from 'chai';
import fc from 'fast-check';

import { TsSync } from '../../../src/worker/engine/ts-sync.js';
import { cutAt, splitPackets, TsWriter } from '../../helpers/ts-packets.js';

const cuts = fc.array(fc.nat(), { maxLength: 40 });

function feed(sync: TsSync, pieces: Buffer[]): Buffer {
  return Buffer.concat([...pieces.flatMap((piece) => sync.push(piece)), ...sync.end()]);
}

/** Bytes without the sync byte cannot be taken for packets. */
const garbage = fc
  .uint8Array({ maxLength: 600 })
  .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0x47 ? 0x46 : byte))));

describe('TsSync', () => {
  it('keeps every packet when the input is cut anywhere', () => {
    fc.assert(
      fc.property(fc.integer({ min: 5, max: 40 }), cuts, (count, places) => {
        const { bytes } = new TsWriter().nulls(count);
        const sync = new TsSync();
        expect(feed(sync, cutAt(bytes, places)).equals(bytes)).to.be.true;
        expect(sync.droppedBytes).to.equal(0);
      }),
    );
  });

  it('hands on slices of the input, not copies', () => {
    const { bytes } = new TsWriter().nulls(20);
    const [run] = new TsSync().push(bytes);
    expect(run?.buffer).to.equal(bytes.buffer);
    expect(run?.byteOffset).to.equal(bytes.byteOffset);
  });

  it('drops what precedes the first packet', () => {
    fc.assert(
      fc.property(garbage, cuts, (noise, places) => {
        const { bytes } = new TsWriter().nulls(8);
        const sync = new TsSync();
        const out = feed(sync, cutAt(Buffer.concat([noise, bytes]), places));
        expect(out.equals(bytes)).to.be.true;
        expect(sync.droppedBytes).to.equal(noise.length);
        expect(sync.syncLosses).to.equal(0);
      }),
    );
  });

  it('never hands on a packet that was cut short or begins elsewhere', () => {
    const part = fc.record({ count: fc.integer({ min: 2, max: 9 }), lost: fc.nat(187), garbage });
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), cuts, (parts, places) => {
        const writer = new TsWriter();
        const stream: Buffer[] = [];
        for (const { count, lost, garbage: noise } of parts) {
          const before = writer.packets.length;
          writer.nulls(count);
          const whole = Buffer.concat(writer.packets.slice(before));
          // A hole that is filled to the byte leaves the grid whole and cannot be seen.
          const filled = lost > 0 && noise.length === lost;
          stream.push(whole.subarray(0, whole.length - lost), filled ? noise.subarray(1) : noise);
        }
        writer.nulls(8);
        stream.push(...writer.packets.slice(-8));
        const known = new Set(writer.packets.map((packet) => packet.toString('latin1')));
        const out = splitPackets(feed(new TsSync(), cutAt(Buffer.concat(stream), places)));
        for (const packet of out) expect(known.has(packet.toString('latin1'))).to.be.true;
        expect(out.slice(-8).map((p) => p.toString('hex'))).to.deep.equal(
          writer.packets.slice(-8).map((p) => p.toString('hex')),
        );
      }),
      { numRuns: 200 },
    );
  });

  it('loses only the packets next to a damaged sync byte and counts the loss', () => {
    const { packets, bytes } = new TsWriter().nulls(20);
    const damaged = Buffer.from(bytes);
    damaged[10 * 188] = 0;
    const sync = new TsSync();
    const out = feed(sync, [damaged]);
    expect(out.equals(Buffer.concat([...packets.slice(0, 9), ...packets.slice(11)]))).to.be.true;
    expect(sync.syncLosses).to.equal(1);
    expect(sync.droppedBytes).to.equal(2 * 188);
  });

  it('calls a source garbage after 64 KiB without a packet, until packets come', () => {
    const sync = new TsSync();
    sync.push(Buffer.alloc(65_535));
    expect(sync.garbage).to.be.false;
    sync.push(Buffer.alloc(1));
    expect(sync.garbage).to.be.true;
    sync.push(new TsWriter().nulls(6).bytes);
    expect(sync.garbage).to.be.false;
  });

  it('believes no grid of fewer than five sync bytes', () => {
    const sync = new TsSync();
    const four = new TsWriter().nulls(4).bytes;
    expect(feed(sync, [Buffer.concat([four, Buffer.alloc(400)])])).to.have.length(0);
  });

  it('takes any bytes without throwing and hands on whole packets only', () => {
    const sticky = fc.array(fc.constantFrom(0x47, 0x00, 0xff), { maxLength: 2000 });
    const anything = fc.oneof(fc.uint8Array({ maxLength: 2000 }), sticky);
    fc.assert(
      fc.property(fc.array(anything, { maxLength: 8 }), (pieces) => {
        const out = feed(
          new TsSync(),
          pieces.map((piece) => Buffer.from(piece)),
        );
        expect(out.length % 188).to.equal(0);
        for (const packet of splitPackets(out)) expect(packet[0]).to.equal(0x47);
      }),
    );
  });
});
