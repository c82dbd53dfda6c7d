import { expect } from 'chai';
import type { StreamId } from '../../../src/shared/ids.js';
import { parseStory } from '../../../src/shared/inspect/story.js';
import { PACKET_SIZE } from '../../../src/shared/mpegts/packet.js';
import { openRedisFixture, type RedisFixture } from '../../helpers/redis-fixture.js';
import { until } from '../../helpers/until.js';
import { startWorker, type KitPlayer, type KitWorker } from '../../helpers/worker-kit.js';
import { startEngine, type EngineOptions, type SimulatedEngine } from '../../simulator/engine.js';
import { StampChecker } from '../../simulator/stamps.js';

/** Media comes ten times as fast as it is shown, so that ten seconds of it are sent again in one. */
const FAST = { prebufferMs: 0, startDelayMs: 5, gop: 0.5, bitrate: 1_000_000, speed: 10 };
const LOOPING = { ...FAST, preset: 'looping-live', loopSeconds: 4 } as const;

describe('a stream whose engine plays old media again', () => {
  const stream = '1009'.padStart(40, '0') as StreamId;
  let fixture: RedisFixture;
  let engines: SimulatedEngine[];
  let worker: KitWorker;
  let player: KitPlayer;

  before(async () => {
    fixture = await openRedisFixture();
  });
  after(() => fixture.close());
  beforeEach(() => fixture.redis.flushall());
  afterEach(async () => {
    player.leave();
    await until(
      'no key is left',
      async () => (await fixture.redis.keys('ace_proxy:stream:*')).length === 0,
    );
    await worker.stop();
    for (const engine of engines) {
      await engine.untilClean();
      await engine.stop();
    }
  });

  const play = async (...options: readonly EngineOptions[]): Promise<void> => {
    engines = [];
    for (const each of options) engines.push(await startEngine(each));
    worker = await startWorker({ redis: fixture.settings, engines });
    player = worker.play(stream);
    await player.untilMedia();
  };
  const story = async (): Promise<string[]> =>
    parseStory(await fixture.redis.lrange(`ace_proxy:stream:${stream}:story`, 0, -1)).map(
      ({ what }) => what,
    );
  const sessions = (): number =>
    engines.reduce((sum, { witness }) => sum + witness.sessions.length, 0);

  it('goes on from a new session, and from another engine when that one loops too', async () => {
    await play(LOOPING, LOOPING);
    // The engines are equals: whichever was taken keeps its loop, the other one gets well.
    const looping = engines.find(({ witness }) => witness.sessions.length > 0)!;
    const well = engines.find((engine) => engine !== looping)!;
    well.set({ loopSeconds: 0, statMode: 'normal' });
    await until('the other engine plays', () => well.feeds.size === 1, 30_000);
    expect(looping.witness.sessions.length).to.equal(2);
    const before = player.bytes;
    await player.untilMedia(500_000);

    const checker = new StampChecker();
    checker.push(player.received);
    const { marked, misaligned, corrupt } = checker.report();
    expect({ misaligned, corrupt }).to.deep.equal({ misaligned: 0, corrupt: 0 });
    // The loop's own jumps carry no mark; both changes of the source do.
    expect(marked).to.be.at.least(2);
    const after = player.received.subarray(before - (before % PACKET_SIZE));
    const goesOn = new StampChecker();
    goesOn.push(after);
    expect(goesOn.report()).to.include({ lost: 0, duplicated: 0, ccErrors: 0 });
    expect(await story()).to.include.members([
      `engine ${looping.address} plays old media again`,
      'new session',
      `engine ${well.address} instead`,
    ]);
    const { score, healthy } = (await worker.parts.pool.list()).find(
      ({ id }) => id === looping.address,
    )!;
    expect(healthy).to.equal(true);
    expect(score).to.be.below(0.5);
  });

  it('plays on when every engine loops, and says so', async () => {
    await play(LOOPING, LOOPING);
    await until('the loop is left twice', () => sessions() === 3, 30_000);
    await until(
      'it is told that nothing else is left',
      async () => (await story()).includes('old media from every engine that was tried'),
      30_000,
    );
    const fields = await fixture.redis.hgetall(`ace_proxy:stream:${stream}:metadata`);
    expect(fields).to.include({ quality: 'bad', loops: '2' });
    // The jumps from the loop's end to its beginning are losses too, and many of them in time.
    expect(fields['quality_faults']?.split(',')).to.include('replay');
    expect(Number(fields['loop_ms'])).to.be.within(3_900, 4_100);
    await player.untilMedia(2_000_000);
    expect(sessions()).to.equal(3);
  });
});
