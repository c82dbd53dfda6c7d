import { expect } from 'chai';
import type { StreamId } from '../../../src/shared/ids.js';
import { RedisReaper } from '../../../src/shared/redis/reaper.js';
import { openRedisFixture, type RedisFixture } from '../../helpers/redis-fixture.js';
import { openRelay, type RedisRelay } from '../../helpers/redis-relay.js';
import { continuityFaults } from '../../helpers/ts-packets.js';
import { until } from '../../helpers/until.js';
import { startWorker, type KitPlayer, type KitWorker } from '../../helpers/worker-kit.js';
import { startEngine, type SimulatedEngine } from '../../simulator/engine.js';

const LOCK_MS = 1_200;
let channels = 0;

describe('the takeover of a stream', () => {
  let fixture: RedisFixture;
  let engine: SimulatedEngine;
  let relay: RedisRelay;
  let owner: KitWorker;
  let follower: KitWorker;
  let stream: StreamId;
  let atOwner: KitPlayer;
  let atFollower: KitPlayer;

  before(async () => {
    fixture = await openRedisFixture();
  });
  after(() => fixture.close());
  beforeEach(async () => {
    await fixture.redis.flushall();
    engine = await startEngine({ prebufferMs: 0, startDelayMs: 5, gop: 0.5 });
    relay = await openRelay(fixture.server.port);
    // The clients of a dead worker, which nobody adopts here, are gone as soon as their leases.
    const lives = { heartbeatMs: 300, clientTtlMs: 1_500, cleanupMs: 500 };
    const settings = { ...lives, ownerLockTtlMs: LOCK_MS, stallTimeoutMs: 1_500 };
    const redis = fixture.settings;
    const through = { ...redis, url: `redis://127.0.0.1:${String(relay.port)}` };
    owner = await startWorker({ redis: through, engines: [engine], settings });
    follower = await startWorker({ redis, engines: [engine], settings });
    stream = (++channels).toString(16).padStart(40, 'b') as StreamId;
    atOwner = owner.play(stream);
    await atOwner.untilMedia();
    atFollower = follower.play(stream);
    await atFollower.untilMedia();
  });
  afterEach(async () => {
    relay.thaw();
    atOwner.leave();
    atFollower.leave();
    await until('no key is left', async () => (await keys()).length === 0).catch(async () =>
      expect(await keys()).to.deep.equal([]),
    );
    await Promise.all([owner.stop(), follower.stop()]);
    relay.close();
    const { sessions } = engine.witness;
    // The engine itself ends what another owner's start supersedes; it is told to stop all the same.
    await until('all sessions are stopped', () =>
      sessions.every(({ stoppedAt, stopCommands }) => stoppedAt !== null && stopCommands > 0),
    );
    await until('all sockets are closed', () => engine.witness.openSockets === 0);
    await engine.stop();
  });

  const keys = (): Promise<string[]> => fixture.redis.keys('ace_proxy:stream:*');
  const terms = async (): Promise<number[]> =>
    (await follower.parts.redis.control.hvals(fixture.keys.stream(stream).marks))
      .flatMap((text) =>
        text.startsWith('{"i"') ? [JSON.parse(text) as { i: number; t: number }] : [],
      )
      .sort((a, b) => a.i - b.i)
      .map(({ i, t }, n, all) => (n > 0 && i !== all[n - 1]!.i + 1 ? -1 : t));
  const expectOneReader = async (): Promise<void> => {
    await until('one session and one reader', () => {
      const live = engine.witness.sessions.filter(({ stoppedAt }) => stoppedAt === null);
      return live.length === 1 && engine.feeds.size === 1;
    });
  };
  const expectContinuedRing = async (): Promise<void> => {
    await until('the next term has chunks', async () => (await terms()).includes(2));
    const list = await terms();
    expect(new Set(list)).to.deep.equal(new Set([1, 2]));
    expect(list).to.deep.equal(list.toSorted((a, b) => a - b));
  };

  it('goes on with the session of an owner whose death was seen, without a gap in the ring', async () => {
    expect(owner.owns(stream)).to.equal(true);
    await owner.kill();
    const died = Date.now();
    await new RedisReaper(fixture.redis, fixture.keys).reap(owner.id, [{ stream, term: 1 }]);
    await until('the follower owns', () => follower.owns(stream));
    await atFollower.untilMedia(188 * 500);
    expect(Date.now() - died).to.be.lessThan(1_000);
    await expectContinuedRing();
    expect(engine.witness.starts[stream]).to.equal(1);
    await expectOneReader();
    expect(atFollower.closed).to.equal(false);
    expect(continuityFaults(wholePackets(atFollower))).to.deep.equal([]);
    expect(engine.witness.maxReadersPerSession).to.equal(1);
  });

  it('waits for the lock of an owner whose death nobody saw, and ends its session', async () => {
    await owner.kill();
    const died = Date.now();
    await until('the follower owns', () => follower.owns(stream));
    expect(Date.now() - died).to.be.lessThan(LOCK_MS + 700);
    await atFollower.untilMedia(188 * 500);
    await expectContinuedRing();
    await expectOneReader();
    expect(atFollower.closed).to.equal(false);
    expect(continuityFaults(wholePackets(atFollower))).to.deep.equal([]);
  });

  it('makes a frozen owner a follower that has written nothing since', async () => {
    relay.freeze();
    await until('the follower owns', () => follower.owns(stream));
    await atFollower.untilMedia(188 * 500);
    // The owner goes on feeding its own players (spec 3.7), and learns the truth when it wakes up.
    relay.thaw();
    await until('the old owner steps down', () => !owner.owns(stream));
    await atOwner.untilMedia(188 * 500);
    await atFollower.untilMedia(188 * 500);
    await expectContinuedRing();
    await expectOneReader();
    expect(owner.owns(stream)).to.equal(false);
    expect(follower.owns(stream)).to.equal(true);
    expect([atOwner.closed, atFollower.closed]).to.deep.equal([false, false]);
    for (const player of [atOwner, atFollower]) {
      expect(continuityFaults(wholePackets(player))).to.deep.equal([]);
    }
  });

  it('is not needed for an owner that was away for less than its lock', async () => {
    relay.freeze();
    await atOwner.untilMedia(188 * 200);
    relay.thaw();
    await atFollower.untilMedia(188 * 500);
    expect(owner.owns(stream)).to.equal(true);
    expect(new Set(await terms())).to.deep.equal(new Set([1]));
    expect(continuityFaults(wholePackets(atFollower))).to.deep.equal([]);
  });

  it('does not happen when Redis comes back empty: the owner puts itself back', async () => {
    await fixture.redis.flushall();
    const names = fixture.keys.stream(stream);
    await until(
      'the owner is back',
      async () => (await fixture.redis.get(names.owner)) === owner.id,
    );
    await until('both clients are', async () => (await fixture.redis.scard(names.clients)) === 2);
    await Promise.all([atOwner.untilMedia(188 * 500), atFollower.untilMedia(188 * 500)]);
    expect(engine.witness.starts[stream]).to.equal(1);
    expect(await fixture.redis.get(names.term)).to.equal('1');
    expect([atOwner.closed, atFollower.closed]).to.deep.equal([false, false]);
    for (const player of [atOwner, atFollower]) {
      expect(continuityFaults(wholePackets(player))).to.deep.equal([]);
    }
  });

  it('follows a drain at once, and the session goes on', async () => {
    atOwner.leave();
    await owner.parts.registry.handOver((session, client) => {
      session.clients.release(client.identity, false);
      return Promise.resolve();
    });
    await until('the follower owns', () => follower.owns(stream), 500);
    await atFollower.untilMedia(188 * 500);
    expect(engine.witness.starts[stream]).to.equal(1);
    await expectContinuedRing();
  });

  it('leaves a stream that Redis forgot in its grace period to be stopped all the same', async () => {
    atOwner.leave();
    atFollower.leave();
    await until(
      'nobody watches',
      async () => (await fixture.redis.scard(fixture.keys.stream(stream).clients)) === 0,
    );
    await fixture.redis.flushall();
    await until('the session is stopped', () => engine.witness.stops[stream] === 1);
  });
});

function wholePackets(player: KitPlayer): Buffer {
  const { received } = player;
  return received.subarray(0, received.length - (received.length % 188));
}
