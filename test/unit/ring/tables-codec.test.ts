import { expect } from 'chai';
import fc from 'fast-check';
import type { Tables } from '../../../src/worker/contracts.js';
import { decodeTables, encodeTables } from '../../../src/worker/ring/tables-codec.js';

const pid = fc.integer({ min: 0, max: 0x1fff });
const tables: fc.Arbitrary<Tables> = fc.record({
  packets: fc.uint8Array({ minLength: 376, maxLength: 752 }).map((bytes) => Buffer.from(bytes)),
  pmtPids: fc.array(pid),
  videoPid: fc.option(pid, { nil: null }),
  audioPids: fc.array(pid),
  pcrPid: pid,
  name: fc.string({ minLength: 1 }),
});

describe('tables on the wire', () => {
  it('come back as they were', () => {
    fc.assert(
      fc.property(tables, (one) => {
        expect(decodeTables(one.name, encodeTables(one))).to.deep.equal(one);
      }),
    );
  });
});
