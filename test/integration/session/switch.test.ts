import { expect } from 'chai';
import type { StreamId } from '../../../src/shared/ids.js';
import { RedisReaper } from '../../../src/shared/redis/reaper.js';
import { openRedisFixture, type RedisFixture } from '../../helpers/redis-fixture.js';
import { until } from '../../helpers/until.js';
import { startWorkers, type KitWorker } from '../../helpers/worker-kit.js';
import { startEngine, type SimulatedEngine } from '../../simulator/engine.js';

const STREAM = 'b0b'.padEnd(40, '0') as StreamId;

/** peers.md 103: metadata of a switch was written before the switch, and only half of it. */
describe('the metadata of a stream whose first engine fails', () => {
  let fixture: RedisFixture;
  let bad: SimulatedEngine;
  let good: SimulatedEngine;
  let workers: KitWorker[];
  beforeEach(async () => {
    fixture = await openRedisFixture();
    bad = await startEngine({ startAnswer: '500-text' });
    // A takeover waits for a keyframe, and is to be over before the first player's lease.
    good = await startEngine({ prebufferMs: 0, startDelayMs: 150, gop: 0.5 });
    // Equal loads: the longest unassigned comes first, which is the one that is registered first.
    const settings = { heartbeatMs: 300, clientTtlMs: 2_000 };
    const engines = [bad, good].toSorted((a, b) => a.port - b.port);
    workers = await startWorkers(2, { redis: fixture.settings, engines, settings });
    await fixture.redis.zadd(fixture.keys.engines.assigned, 1, good.address);
  });
  afterEach(async () => {
    await Promise.all(workers.map((worker) => worker.stop()));
    await Promise.all([bad.stop(), good.stop()]);
    await fixture.close();
  });

  it('never names one engine with the session of another, and a takeover finds its session', async () => {
    const metadata = fixture.keys.stream(STREAM).metadata;
    const [first, second] = workers as [KitWorker, KitWorker];
    const player = first.play(STREAM);
    const halves: string[] = [];
    await until('media', async () => {
      const { engine_host, engine_port, playback_url } = await fixture.redis.hgetall(metadata);
      const engine = `${String(engine_host)}:${String(engine_port)}`;
      if (playback_url && new URL(playback_url).host !== engine) halves.push(engine);
      return player.bytes > 0;
    });
    expect(bad.witness.startRequests[STREAM], 'starts asked of the bad engine').to.equal(1);
    expect(halves).to.deep.equal([]);
    const { engine_id, engine_lease } = await fixture.redis.hgetall(metadata);
    expect(engine_id).to.equal(good.address);
    expect(await fixture.redis.hkeys(fixture.keys.engines.reservations)).to.deep.equal([
      engine_lease,
    ]);
    const viewer = second.play(STREAM);
    await viewer.untilMedia();
    await first.kill();
    await new RedisReaper(fixture.redis, fixture.keys).reap(first.id, [
      { stream: STREAM, term: 1 },
    ]);
    await until('the follower owns', () => second.owns(STREAM));
    await viewer.untilMedia(188 * 500);
    expect(good.witness.starts[STREAM]).to.equal(1);
    expect([...bad.witness.violations, ...good.witness.violations]).to.deep.equal([]);
    viewer.leave();
    await new RedisReaper(fixture.redis, fixture.keys).dropClients(first.id, Date.now());
    await until('no key is left', async () => {
      return (await fixture.redis.keys('ace_proxy:stream:*')).length === 0;
    });
  });
});
