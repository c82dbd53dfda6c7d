import { expect } from 'chai';
import fc from 'fast-check';
import { headerAt, PACKET_SIZE, SYNC_BYTE } from '../../../src/shared/mpegts/packet.js';
import { TsMeter } from '../../../src/worker/engine/ts-meter.js';

const PIDS = [0x100, 0x101, 0x1fff] as const;
const VIDEO = PIDS[0];

/** A header in which everything may be set that tells a packet from a plain one. */
const packet = fc.record({
  pid: fc.oneof({ weight: 8, arbitrary: fc.constant(VIDEO) }, fc.constantFrom(...PIDS)),
  /** How far the counter goes on; 1 is as it should. */
  step: fc.oneof({ weight: 20, arbitrary: fc.constant(1) }, fc.integer({ min: 0, max: 15 })),
  /** Transport error, unit start, priority; scrambling and adaptation field. */
  flags: fc.oneof({ weight: 12, arbitrary: fc.constant(0) }, fc.integer({ min: 0, max: 7 })),
  control: fc.oneof({ weight: 12, arbitrary: fc.constant(1) }, fc.integer({ min: 0, max: 15 })),
});

function bytesOf(packets: readonly (typeof packet extends fc.Arbitrary<infer T> ? T : never)[]) {
  const counters = new Map<number, number>();
  const all = packets.map(({ pid, step, flags, control }) => {
    const bytes = Buffer.alloc(PACKET_SIZE);
    const counter = ((counters.get(pid) ?? 0) + step) & 0x0f;
    counters.set(pid, counter);
    bytes[0] = SYNC_BYTE;
    bytes.writeUInt16BE((flags << 13) | pid, 1);
    bytes[3] = (control << 4) | counter;
    return bytes;
  });
  return Buffer.concat(all);
}

function countsOf(meter: TsMeter) {
  const { packets, nullPackets, scrambledPackets, transportErrors, continuityErrors } = meter;
  const counters = [...meter.counters()];
  return { packets, nullPackets, scrambledPackets, transportErrors, continuityErrors, counters };
}

describe('TsMeter', () => {
  it('counts the packets that it passes as those that it looks at, and passes plain ones only', () => {
    fc.assert(
      fc.property(fc.array(packet, { maxLength: 60 }), fc.nat(60), (packets, limit) => {
        const bytes = bytesOf(packets);
        const end = Math.min(bytes.length, limit * PACKET_SIZE);
        const [looks, passes] = [new TsMeter(), new TsMeter()];
        for (let at = 0; at < bytes.length; at += PACKET_SIZE) {
          looks.observe(bytes, at, headerAt(bytes, at));
        }
        for (let at = 0; at < bytes.length; at += PACKET_SIZE) {
          const next = passes.passPlain(bytes, at, end, VIDEO);
          for (; at < next; at += PACKET_SIZE) {
            expect(at).to.be.lessThan(end);
            expect(packets[at / PACKET_SIZE]).to.deep.include({ pid: VIDEO, flags: 0, control: 1 });
          }
          if (at < bytes.length) passes.observe(bytes, at, headerAt(bytes, at));
        }
        expect(countsOf(passes)).to.deep.equal(countsOf(looks));
      }),
      { numRuns: 1_000 },
    );
  });

  it('passes most of a stream of plain packets, and nothing before the first one was looked at', () => {
    const bytes = bytesOf(Array.from({ length: 40 }, () => plain));
    const meter = new TsMeter();
    expect(meter.passPlain(bytes, 0, bytes.length, VIDEO)).to.equal(0);
    meter.observe(bytes, 0, headerAt(bytes, 0));
    expect(meter.passPlain(bytes, PACKET_SIZE, bytes.length, VIDEO)).to.equal(bytes.length);
    expect(meter.packets).to.equal(40);
  });
});

const plain = { pid: VIDEO, step: 1, flags: 0, control: 1 };
