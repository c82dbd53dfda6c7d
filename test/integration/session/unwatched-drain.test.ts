import { expect } from 'chai';
import type { StreamId } from '../../../src/shared/ids.js';
import { openRedisFixture, type RedisFixture } from '../../helpers/redis-fixture.js';
import { until } from '../../helpers/until.js';
import { startWorker, type KitWorker } from '../../helpers/worker-kit.js';
import { startEngine, type SimulatedEngine } from '../../simulator/engine.js';

const STREAM = 'f'.repeat(40) as StreamId;

describe('a stream in its grace period whose worker drains', () => {
  let fixture: RedisFixture;
  let engine: SimulatedEngine;
  let worker: KitWorker;
  beforeEach(async () => {
    fixture = await openRedisFixture();
    engine = await startEngine({ prebufferMs: 0, startDelayMs: 5, gop: 0.2 });
    // Nobody else would notice for a minute.
    const settings = { graceMs: 30_000, cleanupMs: 60_000 };
    worker = await startWorker({ redis: fixture.settings, engines: [engine], settings });
  });
  afterEach(async () => {
    await worker.stop();
    await engine.stop();
    await fixture.close();
  });

  const untilState = async (state: string): Promise<void> => {
    const { metadata } = fixture.keys.stream(STREAM);
    await until(state, async () => (await fixture.redis.hget(metadata, 'state')) === state);
  };
  const drain = (): Promise<void> =>
    worker.parts.registry.handOver((session, client) => {
      session.clients.release(client.identity, true);
      return Promise.resolve();
    });

  it('is stopped when its connection cannot move: nobody would look after it', async () => {
    const player = worker.play(STREAM);
    await untilState('active');
    player.leave();
    await untilState('waiting_for_clients');
    await drain();
    expect(await fixture.redis.keys('ace_proxy:stream:*')).to.deep.equal([]);
    expect(engine.witness.stops[STREAM]).to.equal(1);
  });

  it('goes to whoever wins it when somebody watches it elsewhere', async () => {
    const player = worker.play(STREAM);
    await untilState('active');
    await drain();
    const names = fixture.keys.stream(STREAM);
    expect(await fixture.redis.get(names.owner)).to.equal(null);
    expect(await fixture.redis.exists(names.metadata)).to.equal(1);
    expect(engine.witness.stops[STREAM]).to.equal(undefined);
    player.leave();
  });
});
