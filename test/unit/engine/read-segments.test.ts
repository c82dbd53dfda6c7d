import { expect } from 'chai';
import fc from 'fast-check';
import { adjoin, ReadSegments, SEGMENT_BYTES } from '../../../src/worker/engine/read-segments.js';
import { PacketQueue } from '../../../src/worker/engine/packet-queue.js';

describe('the segments that media is read into', () => {
  /** Reads of these sizes, each filled with its number, as far as the room goes. */
  function read(segments: ReadSegments, sizes: readonly number[]): Buffer[] {
    return sizes.map((size, i) => {
      const count = Math.min(size, segments.room().length);
      segments.room().fill(i & 0xff, 0, count);
      return segments.take(count);
    });
  }

  it('never give memory out twice', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 200_000 }), { maxLength: 40 }), (sizes) => {
        const reads = read(new ReadSegments(), sizes);
        reads.forEach((bytes, i) => {
          expect(bytes.every((byte) => byte === (i & 0xff))).to.equal(true);
        });
      }),
      { numRuns: 30 },
    );
  });

  it('always have room for a read worth its system call', () => {
    const segments = new ReadSegments();
    for (let n = 0; n < 1_000; n++) {
      expect(segments.room().length).to.be.at.least(16_384);
      segments.take(1_000);
    }
  });

  it('make one slice of neighbours, and of nothing else', () => {
    const segments = new ReadSegments();
    const [first, second, third] = read(segments, [188, 376, 188]) as [Buffer, Buffer, Buffer];
    const both = adjoin(first, second);
    expect(both?.length).to.equal(564);
    expect(both?.buffer).to.equal(first.buffer);
    expect(adjoin(first, third)).to.equal(null);
    expect(adjoin(second, first)).to.equal(null);
    expect(adjoin(first, Buffer.alloc(188))).to.equal(null);
  });

  it('are cut into chunks without a copy while a chunk lies in one of them', () => {
    const segments = new ReadSegments();
    const queue = new PacketQueue();
    for (const bytes of read(segments, [1_000, 2_000, 3_000])) queue.push(bytes);
    const chunk = queue.take(4_000);
    expect(chunk.buffer.byteLength).to.equal(SEGMENT_BYTES);
    expect(queue.take(2_000).byteOffset).to.equal(chunk.byteOffset + 4_000);
  });
});
