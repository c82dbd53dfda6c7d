import { expect } from 'chai';
import fc from 'fast-check';
import { memoryFor, ringNeed, streamsThatFit } from '../../../src/shared/ring-memory.js';

const bounds = { maxBytes: 64_000_000, ttlMs: 60_000 };

describe('the memory that a ring needs', () => {
  it('is the bound until the ring tells what it will come to', () => {
    expect(ringNeed({ bytes: 0, spanMs: 0 }, bounds)).to.equal(bounds.maxBytes);
    expect(ringNeed({ bytes: 1_000, spanMs: 9_000 }, bounds)).to.equal(bounds.maxBytes);
  });

  it('is what the bitrate fills in the life of a chunk, and a quarter more', () => {
    // 128 kbit/s of radio
    expect(ringNeed({ bytes: 16_000 * 20, spanMs: 20_000 }, bounds)).to.equal(16_000 * 60 * 1.25);
  });

  it('is never more than the bound and never less than what is there', () => {
    fc.assert(
      fc.property(fc.nat(64_000_000), fc.nat(120_000), (bytes, spanMs) => {
        expect(ringNeed({ bytes, spanMs }, bounds)).to.be.within(bytes, bounds.maxBytes);
      }),
    );
  });

  it('fits as often as memory was asked for', () => {
    fc.assert(
      fc.property(fc.nat(1_000), fc.integer({ min: 188, max: 2 ** 34 }), (streams, ring) => {
        expect(streamsThatFit(memoryFor(streams, ring), ring)).to.equal(streams);
      }),
    );
  });
});
