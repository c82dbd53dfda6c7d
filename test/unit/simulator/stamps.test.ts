import { expect } from 'chai';
import fc from 'fast-check';
import { StampedSource } from '../../simulator/media-stamped.js';
import { StampChecker, type StampReport } from '../../simulator/stamps.js';
import { nullPacket, PACKET, patPacket, PID, pidOf, SYNC } from '../../simulator/ts-packet.js';

const SENDER = { session: 3, wallMs: 1_700_000_000_000 };
const BYTES = new StampedSource({ bitrate: 4_000_000, gop: 2, keyframes: 'h264' }).render(
  777,
  400,
  SENDER,
);
const isTable = (packet: Buffer): boolean =>
  pidOf(packet, 0) === PID.pat || pidOf(packet, 0) === PID.pmt;
const packets = (): Buffer[] =>
  Array.from({ length: BYTES.length / PACKET }, (_, i) =>
    Buffer.from(BYTES.subarray(i * PACKET, (i + 1) * PACKET)),
  );

function check(list: readonly Uint8Array[]): Readonly<StampReport> {
  const checker = new StampChecker();
  for (const bytes of list) checker.push(bytes, SENDER.wallMs + 25);
  return checker.report();
}

/** Index of a media packet near `from`. */
function media(list: readonly Buffer[], from: number): number {
  return list.findIndex((packet, i) => i >= from && !isTable(packet));
}

/** An adaptation-field-only packet with the discontinuity indicator. */
function discontinuity(pid: number): Buffer {
  const packet = Buffer.alloc(PACKET, 0xff);
  Buffer.from([SYNC, pid >> 8, pid & 0xff, 0x20, 183, 0x80]).copy(packet);
  return packet;
}

describe('stamp checker', () => {
  it('finds nothing wrong in what was sent, cut anywhere', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1 }), (sizes) => {
        const checker = new StampChecker();
        for (let at = 0, i = 0; at < BYTES.length; i += 1) {
          const size = sizes[i % sizes.length]!;
          checker.push(BYTES.subarray(at, at + size));
          at += size;
        }
        const {
          lost,
          duplicated,
          reordered,
          corrupt,
          misaligned,
          ccErrors,
          packets: seen,
        } = checker.report();
        expect([lost, duplicated, reordered, corrupt, misaligned, ccErrors, seen]).to.deep.equal([
          0, 0, 0, 0, 0, 0, 400,
        ]);
      }),
      { numRuns: 50 },
    );
  });

  it('counts exactly the media packets that were taken out', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 5, max: 390 }), { minLength: 1, maxLength: 20 }),
        (holes) => {
          const all = packets();
          const gone = holes.filter((i) => !isTable(all[i]!)).length;
          expect(check(all.filter((_, i) => !holes.includes(i))).lost).to.equal(gone);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('counts a packet that comes twice', () => {
    const all = packets();
    const at = media(all, 100);
    all.splice(at + 3, 0, all[at]!);
    expect(check(all)).to.include({ duplicated: 1, lost: 0, reordered: 0 });
  });

  it('counts a packet that comes late as reordered and not as lost', () => {
    const all = packets();
    const at = media(all, 100);
    const [late] = all.splice(at, 1);
    all.splice(at + 4, 0, late!);
    expect(check(all)).to.include({ reordered: 1, lost: 0, duplicated: 0 });
  });

  it('tells a marked gap from an unmarked one', () => {
    const all = packets();
    const rest = all.slice(100);
    const first = media(rest, 0);
    const marked = check([...all.slice(0, 50), discontinuity(pidOf(rest[first]!, 0)), ...rest]);
    expect(marked).to.include({ lost: 0, marked: 1 });
    expect(marked.skipped).to.be.greaterThan(40);
    const unmarked = check([...all.slice(0, 50), ...rest]);
    expect(unmarked).to.include({ marked: 0, lost: marked.skipped });
    expect(unmarked.ccErrors).to.be.greaterThan(0);
  });

  it('lets tables, null packets and packets without payload be inserted anywhere', () => {
    const all = packets().flatMap((packet, i) =>
      i % 50 === 0 ? [nullPacket(), patPacket(), packet] : [packet],
    );
    expect(check(all)).to.include({ lost: 0, nullPackets: 8, ccErrors: 0, packets: 416 });
  });

  it('finds the grid again behind stray bytes and counts them', () => {
    const all: Uint8Array[] = packets();
    all.splice(200, 0, Buffer.alloc(50, 0xb0));
    expect(check(all)).to.include({ misaligned: 1, skippedBytes: 50, lost: 0 });
  });

  it('sees a changed byte in the payload', () => {
    const all = packets();
    const packet = all[media(all, 60)]!;
    packet[150] = packet[150]! ^ 1;
    expect(check(all)).to.include({ corrupt: 1 });
  });

  it('measures the age of what it gets and shows how a stream began', () => {
    const report = check([BYTES]);
    expect(report.latencies).to.deep.equal([25]);
    expect(report.sessions).to.deep.equal([3]);
    expect(report.firstPackets[0]).to.have.all.keys('pid', 'rai', 'discontinuity', 'pusi');
  });
});
