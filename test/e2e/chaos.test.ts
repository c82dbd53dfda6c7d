import { expect } from 'chai';
import { ENGINE_CASES, REDIS_CASES, RELOAD_CASES, WORKER_CASES } from '../chaos/cases.js';
import { runCase, type ChaosCase } from '../chaos/lab.js';

/** The short form of `npm run chaos`: few players, a low bit rate, every fault. */
const OPTIONS = { players: 4, bitrate: 2_000_000 };

function holds(chaos: ChaosCase): void {
  it(`keeps every player connected when ${chaos.fault}`, async () => {
    const result = await runCase(chaos, OPTIONS);
    expect(result.socketsClosed, 'sockets closed').to.equal(0);
    const { lost, duplicated, reordered } = result;
    expect({ lost, duplicated, reordered }).to.deep.equal({ lost: 0, duplicated: 0, reordered: 0 });
    if (chaos.exact === true) expect(result.markedSplices, 'marked splices').to.equal(0);
    expect(result.longestGapMs, 'longest gap').to.be.at.most(chaos.maxGapMs);
    expect(result.sessionsLeft, 'engine sessions left').to.equal(0);
    expect(result.keysLeft, 'keys left').to.equal(0);
    expect(result.maxReaders, 'readers at a time on a session').to.equal(1);
    expect(result.violations).to.deep.equal([]);
  });
}

describe('Faults of the engine', () => ENGINE_CASES.forEach(holds));
describe('Faults of workers', () => WORKER_CASES.forEach(holds));
describe('Faults of Redis', () => REDIS_CASES.forEach(holds));
describe('Reload', () => RELOAD_CASES.forEach(holds));
