import { expect } from 'chai';
import type { StreamId } from '../../../src/shared/ids.js';
import { openRedisFixture, type RedisFixture } from '../../helpers/redis-fixture.js';
import { until } from '../../helpers/until.js';
import { startWorkers, type KitWorker } from '../../helpers/worker-kit.js';
import { startEngine, type SimulatedEngine } from '../../simulator/engine.js';
import type { Knobs } from '../../simulator/knobs.js';

let channels = 0;
const nextChannel = (): StreamId => (++channels).toString(16).padStart(40, 'c') as StreamId;

/** Where a start fails, and what its players are told. */
const FAULTS: readonly [string, Partial<Knobs>, string][] = [
  [
    'the engine refuses the content',
    { startAnswer: 'failed-to-load', badIdDelayMs: 5, badInfohashDelayMs: 5 },
    'CONTENT_NOT_FOUND',
  ],
  ['the engine answers 500', { startAnswer: '500-text' }, 'ENGINE_ERROR'],
  ['the engine cuts its answer', { startAnswer: 'truncated-json' }, 'ENGINE_ERROR'],
  ['the engine resets the connection', { startAnswer: 'reset' }, 'ENGINE_ERROR'],
  ['the engine never answers', { startAnswer: 'hang' }, 'START_TIMEOUT'],
  ['the playback never begins', { playbackOpen: 'never' }, 'START_TIMEOUT'],
  ['the playback ends at once', { playbackOpen: 'eof-zero-bytes' }, 'ENGINE_ERROR'],
  ['the playback is a page', { playbackOpen: 'html' }, 'ENGINE_ERROR'],
  ['the playback is garbage', { garbage: true }, 'ENGINE_ERROR'],
];

describe('a start that Redis leaves', () => {
  it('is told to who waits on any worker, and not only when the engine gives up', async () => {
    const fixture = await openRedisFixture();
    const engine = await startEngine({ playbackOpen: 'never', startDelayMs: 5 });
    const settings = { initTimeoutMs: 60_000, connectionTimeoutMs: 60_000 };
    const workers = await startWorkers(2, { redis: fixture.settings, engines: [engine], settings });
    try {
      const stream = nextChannel();
      const players = workers.map((worker) => worker.play(stream));
      await until('the engine was asked', () => engine.witness.sessions.length > 0);
      await until('one owns and one follows', () =>
        workers.every(({ parts }) => parts.registry.streamCount === 1),
      );
      await fixture.server.kill();
      const told = await Promise.race(players.map((player) => player.untilRefused(8_000)));
      expect(told).to.equal('REDIS_UNAVAILABLE');
    } finally {
      await Promise.all(workers.map((worker) => worker.stop()));
      await engine.stop();
      await fixture.close();
    }
  });
});

describe('a start that fails', () => {
  let fixture: RedisFixture;
  let engine: SimulatedEngine;
  let workers: KitWorker[];
  beforeEach(async () => {
    fixture = await openRedisFixture();
    engine = await startEngine({ prebufferMs: 0, startDelayMs: 5 });
    const settings = { initTimeoutMs: 700, connectionTimeoutMs: 500, maxClients: 4 };
    workers = await startWorkers(2, { redis: fixture.settings, engines: [engine], settings });
  });
  afterEach(async () => {
    await Promise.all(workers.map((worker) => worker.stop()));
    await engine.stop();
    await fixture.close();
  });

  const untilAtRest = async (): Promise<void> => {
    let left: string[] = [];
    await until('no key is left', async () => {
      left = await fixture.redis.keys('ace_proxy:stream:*');
      return left.length === 0;
    }).catch(() => expect(left).to.deep.equal([]));
    await until('nothing is left in the workers', () =>
      workers.every(({ parts, openSockets }) => parts.registry.streamCount + openSockets === 0),
    );
    await until(
      'no reservation is left',
      async () => (await fixture.redis.hlen(fixture.keys.engines.reservations)) === 0,
    );
  };

  for (const [what, knobs, code] of FAULTS) {
    it(`tells every player on every worker that ${what}, and leaves nothing behind`, async () => {
      engine.set(knobs);
      const stream = nextChannel();
      const players = [...workers, ...workers].map((worker) => worker.play(stream));
      const told = await Promise.all(players.map((player) => player.untilRefused()));
      expect(new Set(told)).to.deep.equal(new Set([code]));
      await untilAtRest();
      const { sessions } = engine.witness;
      await until('its sessions are stopped', () =>
        sessions.every(({ stoppedAt }) => stoppedAt !== null),
      );
      // A session that an engine starts too late has to be stopped: that answer is waited for.
      const awaited = knobs.startAnswer === 'hang' ? 1 : 0;
      await until('its sockets are closed', () => engine.witness.openSockets <= awaited);
    });
  }

  it('blocks nobody: the next try has the stream at once', async () => {
    engine.set({ startAnswer: 'reset', startAnswerTimes: 0 });
    const stream = nextChannel();
    await workers[0]!.play(stream).untilRefused();
    engine.set({ startAnswer: 'ok' });
    // The engine is probed again before it is used again.
    await until('a player gets the stream', async () => {
      const player = workers[1]!.play(stream);
      await until('an answer', () => player.bytes > 0);
      if (player.refusal === null) await player.untilMedia();
      player.leave();
      return player.refusal === null;
    });
    await untilAtRest();
  });

  it('gives the lock back when the owner cannot even begin', async () => {
    const stream = nextChannel();
    const kind = fixture.keys.kind(stream);
    await fixture.redis.lpush(kind, 'not a string');
    const player = workers[0]!.play(stream);
    await player.untilRefused();
    expect(await fixture.redis.get(fixture.keys.stream(stream).owner)).to.equal(null);
    await fixture.redis.del(kind);
    const next = workers[1]!.play(stream);
    await next.untilMedia(188, 2_000);
    next.leave();
    await untilAtRest();
  });

  it('counts no player that left while it waited for the end of a stop', async () => {
    const stream = nextChannel();
    const { stopping } = fixture.keys.stream(stream);
    const counted = (): Promise<number> => fixture.redis.zcard(fixture.keys.admittedClients);
    await fixture.redis.set(stopping, 'somebody', 'PX', 5_000);
    const player = workers[0]!.play(stream);
    await until('it is counted', async () => (await counted()) === 1);
    player.leave();
    await until('it is counted no more', async () => (await counted()) === 0, 2_000);
    await fixture.redis.del(stopping);
    await untilAtRest();
  });

  it('keeps no session for players that the limit turns away', async () => {
    const stream = nextChannel();
    const players = [1, 2, 3, 4].map(() => workers[0]!.play(stream));
    await Promise.all(players.map((player) => player.untilMedia()));
    for (let n = 0; n < 3; n++) {
      expect(await workers[1]!.play(nextChannel()).untilRefused()).to.equal('CLIENT_LIMIT');
    }
    expect(workers[1]!.parts.registry.streamCount).to.equal(0);
    players[0]!.leave();
    await until('a place is free', async () => {
      const player = workers[1]!.play(stream);
      await until('an answer', () => player.bytes > 0);
      player.leave();
      return player.refusal === null;
    });
    for (const player of players) player.leave();
    await untilAtRest();
  });
});
