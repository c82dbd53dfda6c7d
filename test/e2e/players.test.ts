import { expect } from 'chai';
import type { Stage } from '../helpers/stage.js';
import { FAULTS } from '../players/faults.js';
import { liveThrough, openStage, startOnce, type Subject } from '../players/lab.js';
import { castOf } from '../players/subjects.js';

/** The short row of `npm run players`; the long ones are in docs/players.md. */
describe('ffmpeg as a player', () => {
  let stage: Stage;

  before(async () => {
    stage = await openStage();
  });

  after(() => stage.end());

  /** With options that spare it its analysis of two seconds. */
  async function ffmpeg(): Promise<Subject> {
    const { subjects } = await castOf('ffmpeg');
    return subjects.find(({ variant }) => variant)!;
  }

  it('shows its first picture within a second, and asks once', async () => {
    const { pictureMs, requests } = await startOnce(stage, await ffmpeg());
    expect(pictureMs).to.be.within(0, 1_000);
    expect(requests).to.have.length(1);
  });

  for (const fault of FAULTS.filter(({ id }) => id !== 'gone')) {
    it(`plays on, on the same connection, after: ${fault.title}`, async () => {
      const subject = await ffmpeg();
      const survivals = await liveThrough(stage, fault, [subject], 1_500);
      const { plays, sameConnection, stillMs } = survivals.get(subject.name)!;
      expect({ plays, sameConnection }).to.deep.equal({ plays: true, sameConnection: true });
      expect(stillMs).to.be.lessThan(6_000);
    });
  }
});
