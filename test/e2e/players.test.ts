import { expect } from 'chai';
import type { Stage } from '../helpers/stage.js';
import { FAULTS } from '../players/faults.js';
import { liveThrough, openStage, startOnce } from '../players/lab.js';
import { castOf } from '../players/subjects.js';

/** The short row of `npm run players`; the long ones are in docs/players.md. */
describe('ffmpeg as a player', function () {
  this.timeout(60_000);
  let stage: Stage;

  before(async () => {
    stage = await openStage();
  });

  after(() => stage.end());

  it('shows its first picture within seconds, and asks once', async () => {
    const { subjects } = await castOf('ffmpeg');
    const quick = subjects.find(({ variant }) => variant);
    const { pictureMs, requests } = await startOnce(stage, quick!);
    expect(pictureMs).to.be.within(0, 3_000);
    expect(requests).to.have.length(1);
  });

  for (const fault of FAULTS.filter(({ id }) => id !== 'gone')) {
    it(`plays on, on the same connection, after: ${fault.title}`, async () => {
      const { subjects } = await castOf('ffmpeg');
      const ffmpeg = subjects.filter(({ variant }) => !variant);
      const survivals = await liveThrough(stage, fault, ffmpeg, 2_000);
      const { plays, sameConnection, stillMs } = survivals.get('ffmpeg')!;
      expect({ plays, sameConnection }).to.deep.equal({ plays: true, sameConnection: true });
      expect(stillMs).to.be.lessThan(6_000);
    });
  }
});
