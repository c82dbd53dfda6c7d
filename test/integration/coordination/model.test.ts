import { expect } from 'chai';
import { runModel } from '../../helpers/coordination-model.js';
import { openRedisFixture, type RedisFixture } from '../../helpers/redis-fixture.js';

/** `npm run races -- --only model` runs many thousands. */
const SCHEDULES = 250;

describe('the model of the coordination', () => {
  let fixture: RedisFixture;
  before(async () => {
    fixture = await openRedisFixture();
  });
  after(() => fixture.close());

  it('holds its invariants on random schedules of steps, crashes and lost messages', async () => {
    const executed = await runModel(fixture, SCHEDULES);
    // A model whose steps never happen proves nothing.
    expect(executed).to.be.greaterThan(SCHEDULES * 10);
  });
});
