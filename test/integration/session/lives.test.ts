import { expect } from 'chai';
import { setTimeout as delay } from 'node:timers/promises';
import { newClientId, type StreamId } from '../../../src/shared/ids.js';
import { openRedisFixture, type RedisFixture } from '../../helpers/redis-fixture.js';
import { until } from '../../helpers/until.js';
import { startWorkers, type KitPlayer, type KitWorker } from '../../helpers/worker-kit.js';
import { startEngine, type SimulatedEngine } from '../../simulator/engine.js';

/** Races of simultaneous first players; each on a channel of its own. */
const RACES = 50;
const AT_ONCE = 10;
const WORKERS = 8;
/** Players that come back at the same time, each to a stream of its own. */
const BACK_AT_ONCE = 15;
const GRACE_MS = 200;

let channels = 0;
const nextChannel = (): StreamId => (++channels).toString(16).padStart(40, 'a') as StreamId;

describe('streams of several workers', () => {
  let fixture: RedisFixture;
  let engine: SimulatedEngine;
  let workers: KitWorker[];
  before(async () => {
    fixture = await openRedisFixture();
    engine = await startEngine({ prebufferMs: 0, startDelayMs: 5 });
    workers = await startWorkers(WORKERS, {
      redis: fixture.settings,
      engines: [engine],
      settings: { graceMs: GRACE_MS },
    });
  });
  after(async () => {
    await Promise.all(workers.map((worker) => worker.stop()));
    await engine.stop();
    await fixture.close();
  });
  afterEach(async () => {
    await untilAtRest();
    await engine.untilClean(3_000);
    engine.reset();
    engine.usePreset('healthy', { prebufferMs: 0, startDelayMs: 5 });
  });

  const at = (n: number): KitWorker => workers[n % WORKERS]!;
  const untilAtRest = async (): Promise<void> => {
    let left: string[] = [];
    await until('no key is left', async () => {
      left = await fixture.redis.keys('ace_proxy:stream:*');
      return left.length === 0;
    }).catch(() => expect(left).to.deep.equal([]));
    await until('no stream is left', () =>
      workers.every(({ parts, openSockets }) => parts.registry.streamCount + openSockets === 0),
    );
    expect(await fixture.redis.smembers('ace_proxy:streams')).to.deep.equal([]);
  };
  const expectOneSession = (stream: StreamId): void => {
    const { starts, stops } = engine.witness;
    expect({ starts: starts[stream], stops: stops[stream] }).to.deep.equal({ starts: 1, stops: 1 });
  };

  /** Leaves and comes back `ms` later, half the times to the same worker. */
  const comeBack = async (ms: number, n: number): Promise<void> => {
    const stream = nextChannel();
    const first = at(n).play(stream);
    await first.untilMedia();
    first.leave();
    await delay(ms);
    // Half of them where they were, half elsewhere.
    const again = at(n + (ms % 40 === 0 ? 0 : 1)).play(stream);
    await again.untilMedia(188 * 2_000);
    // What it got is no stream that was about to end.
    await again.untilMedia(188 * 200);
    expect({ closed: again.closed, refusal: again.refusal }).to.deep.equal({
      closed: false,
      refusal: null,
    });
    again.leave();
  };

  it(`have one session each when ${String(WORKERS)} workers open them at once`, async () => {
    const race = async (): Promise<void> => {
      const stream = nextChannel();
      const players = workers.map((worker) => worker.play(stream));
      await Promise.all(players.map((player) => player.untilMedia()));
      expect(workers.filter((worker) => worker.owns(stream))).to.have.length(1);
      for (const player of players) player.leave();
      await until('the stop', () => engine.witness.stops[stream] === 1);
      expectOneSession(stream);
    };
    for (let done = 0; done < RACES; done += AT_ONCE) {
      await Promise.all(Array.from({ length: AT_ONCE }, race));
    }
  });

  it('serve a player that comes back at any moment of the grace period and of the stop', async () => {
    const moments = Array.from({ length: 24 }, (_, n) => n * 20);
    await Promise.all(moments.map(comeBack));
    await untilAtRest();
    const { starts, stops } = engine.witness;
    expect(starts).to.deep.equal(stops);
  });

  it('serve a player that comes back while the engine takes its time to stop', async () => {
    engine.set({ cmdMode: 'slow', slowMs: 1_200 });
    const moments = Array.from({ length: 75 }, (_, n) => n * 20);
    // Their streams are all fed by this process: more at once do not get their media in time on a busy machine.
    for (let done = 0; done < moments.length; done += BACK_AT_ONCE) {
      const some = moments.slice(done, done + BACK_AT_ONCE);
      await Promise.all(some.map((ms, n) => comeBack(ms, done + n)));
    }
    await untilAtRest();
    const { sessions } = engine.witness;
    // On a busy machine a new start may come before the stop, and supersede the session; it is stopped all the same.
    await until('all sessions are over', () =>
      sessions.every(({ stoppedAt, stopCommands }) => stoppedAt !== null && stopCommands > 0),
    );
    // The keys are gone before the engine has stopped: another worker may start meanwhile.
    engine.reset();
  });

  it('survive twenty zaps a second', async () => {
    const zapped = Array.from({ length: 10 }, nextChannel);
    const players: KitPlayer[] = [];
    for (let n = 0; n < 40; n++) {
      players.push(at(n * 3).play(zapped[(n * 7) % zapped.length]!));
      if (n > 0 && n % 5 !== 0) players[n - 1]!.leave();
      await delay(50);
    }
    await players.at(-1)!.untilMedia();
    expect(players.map(({ refusal }) => refusal).filter((one) => one !== null)).to.deep.equal([]);
    for (const player of players) player.leave();
    await untilAtRest();
    const { starts, stops } = engine.witness;
    expect(starts).to.deep.equal(stops);
  });

  it('leave nothing of players that go before they got anything', async () => {
    const { registry } = at(0).parts;
    for (let turns = 0; turns < 60; turns++) {
      const gone = new AbortController();
      const identity = {
        ...{ stream: nextChannel(), client: newClientId(), ip: '', userAgent: '' },
        keyType: 'id',
        connectedAt: Date.now(),
      } as const;
      const told = registry.admit(identity, 'id', gone.signal).then(
        (session) => session.clients.abandon(identity),
        () => undefined,
      );
      for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
      gone.abort(new Error('left'));
      await told;
    }
    await untilAtRest();
    expect(engine.witness.starts).to.deep.equal(engine.witness.stops);
  });

  it('close their players and begin anew for the next when somebody stops them', async () => {
    const stream = nextChannel();
    const players = [at(0).play(stream), at(1).play(stream)];
    await Promise.all(players.map((player) => player.untilMedia()));
    const names = fixture.keys.stream(stream);
    await fixture.redis.set(names.stopRequest, 'enough', 'PX', 5_000);
    await fixture.redis.publish(names.events, JSON.stringify({ type: 'stream_stop', reason: '' }));
    await until('both are closed', () => players.every(({ closed }) => closed));
    const next = at(2).play(stream);
    await next.untilMedia();
    expect(engine.witness.starts[stream]).to.equal(2);
    next.leave();
  });

  it('go on when a stream of 20 players loses and wins its viewers again and again', async () => {
    const stream = nextChannel();
    for (let round = 0; round < 5; round++) {
      const players = Array.from({ length: 20 }, (_, n) => at(n).play(stream));
      await Promise.all(players.map((player) => player.untilMedia()));
      for (const player of players) player.leave();
      await delay(round * 60);
    }
  });
});
