import { expect } from 'chai';
import type { CutChunk } from '../../../src/worker/contracts.js';
import { ChunkIntake } from '../../../src/worker/owner/chunk-intake.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { H264, TsWriter } from '../../helpers/ts-packets.js';
import { TV, VIDEO } from '../mpegts/chunker-bench.js';

describe('ChunkIntake', () => {
  let clock: FakeClock;
  let chunks: CutChunk[];
  let intake: ChunkIntake;
  beforeEach(() => {
    clock = new FakeClock();
    chunks = [];
    intake = new ChunkIntake({
      ...{ chunkBytes: 1_061_072, flushMs: 100, splice: false, continues: null, clock },
      onChunk: (chunk) => chunks.push(chunk),
      judge: () => null,
    });
    intake.push(new TsWriter().tables([TV]).pes(VIDEO, H264.key(), 600).nulls(1).bytes);
  });
  afterEach(() => {
    intake.close();
    clock.restore();
  });

  it('cuts by the timer when nothing comes', () => {
    clock.tick(99);
    expect(chunks).to.deep.equal([]);
    clock.tick(1);
    expect(chunks).to.have.length(1);
  });

  it('cuts with a push in the last tenth of that time, and the next chunk has its whole time', () => {
    clock.tick(89);
    intake.push(new TsWriter().nulls(2).bytes);
    expect(chunks).to.deep.equal([]);
    clock.tick(1);
    intake.push(new TsWriter().nulls(2).bytes);
    expect(chunks).to.have.length(1);
    clock.tick(50);
    intake.push(new TsWriter().nulls(2).bytes);
    clock.tick(99);
    expect(chunks).to.have.length(1);
    clock.tick(1);
    expect(chunks).to.have.length(2);
  });
});
