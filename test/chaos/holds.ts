import { expect } from 'chai';
import { runCase, type ChaosCase } from './lab.js';

/** The short form of `npm run chaos`: few players, a low bit rate, no fault that takes long. */
const OPTIONS = { players: 4, bitrate: 2_000_000, workers: 2 };

/** A test of each case that does not take long. */
export function holdAll(cases: readonly ChaosCase[]): void {
  for (const chaos of cases) if (chaos.long !== true) holds(chaos);
}

function holds(chaos: ChaosCase): void {
  it(`keeps every player connected when ${chaos.fault}`, async () => {
    const result = await runCase(chaos, OPTIONS);
    const { atOwner, atFollowers, duplicated, reordered } = result;
    expect(result.violations).to.deep.equal([]);
    expect(result.socketsClosed, 'sockets closed').to.equal(0);
    const lost = atOwner.lost + atFollowers.lost;
    expect({ lost, duplicated, reordered }).to.deep.equal({ lost: 0, duplicated: 0, reordered: 0 });
    if (chaos.exact === true) {
      expect(atOwner.marked + atFollowers.marked, 'marked splices').to.equal(0);
    }
    const { maxGapMs, maxGapAtOwnerMs = maxGapMs } = chaos;
    expect(atFollowers.gapMs, 'longest gap at followers').to.be.at.most(maxGapMs);
    expect(atOwner.gapMs, 'longest gap at the owner').to.be.at.most(maxGapAtOwnerMs);
    expect(result.sessionsLeft, 'engine sessions left').to.equal(0);
    expect(result.keysLeft, 'keys left').to.equal(0);
    expect(result.socketsLeft, 'sockets left').to.equal(0);
    expect(result.maxReaders, 'readers at a time on a session').to.equal(1);
  });
}
