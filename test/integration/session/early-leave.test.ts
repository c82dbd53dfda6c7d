import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { StreamId } from '../../../src/shared/ids.js';
import { openRedisFixture, type RedisFixture } from '../../helpers/redis-fixture.js';
import { redisSettings } from '../../helpers/redis-settings.js';
import { testSettings } from '../../helpers/settings.js';
import { until } from '../../helpers/until.js';
import { startWorker, type KitWorker } from '../../helpers/worker-kit.js';
import { openStepRelay, type StepRelay, type Verdict } from '../../races/step-relay.js';
import { startEngine, type SimulatedEngine } from '../../simulator/engine.js';

const STREAM = '1ea7'.repeat(10) as StreamId;

/** What becomes of each try to register until the player's end was seen. */
const FATES = [
  ['is on its way to Redis', 'pass'],
  ['waits for a Redis that is away', 'cut'],
  ['was done by Redis, and the answer got lost', 'cut after'],
] as const;

/** Spec 3.6: leaving is seen at once; spec 3.7: a player that comes while Redis is away waits for it. */
describe('a player that leaves while its registration', () => {
  let directory: string;
  let fixture: RedisFixture;
  let relay: StepRelay;
  let engine: SimulatedEngine;
  let worker: KitWorker;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'early-leave-'));
    const users = [{ name: 'anna', token: 'annas-own-token-0123', max_clients: 1 }];
    writeFileSync(join(directory, 'users.json'), JSON.stringify(users));
    fixture = await openRedisFixture();
    relay = await openStepRelay(fixture.server.port, STREAM);
    engine = await startEngine({ prebufferMs: 0, startDelayMs: 5 });
    const access = { ...testSettings().access, usersPath: join(directory, 'users.json') };
    worker = await startWorker({
      redis: redisSettings({ url: relay.url }),
      engines: [engine],
      settings: { access, maxClients: 5, maxStreams: 5, heartbeatMs: 100 },
    });
    await worker.parts.access.refresh();
    await heartbeat();
  });
  afterEach(async () => {
    await worker.stop();
    relay.close();
    await engine.stop();
    await fixture.close();
    rmSync(directory, { recursive: true });
  });

  /** Resolves with the number of leases that the worker says it has, in a heartbeat from now on. */
  const heartbeat = async (): Promise<number> => {
    const { redis, keys } = fixture;
    const since = Date.now();
    const beat = await until('a heartbeat', async () => {
      const text = await redis.get(keys.heartbeat(worker.id));
      const { at, clients } = JSON.parse(text ?? '{"at":0,"clients":0}') as Record<string, number>;
      return at! > since ? { clients: clients! } : null;
    });
    return beat.clients;
  };

  /** Leases, places under limits and listings that Redis has. */
  const leftInRedis = async (): Promise<string[]> => {
    const { redis, keys } = fixture;
    const sets = [keys.admittedClients, keys.admittedStreams, keys.userPlaces('anna')];
    return [
      ...(await redis.keys('ace_proxy:stream:*')),
      ...(await redis.smembers(keys.streams)),
      ...(await Promise.all(sets.map((key) => redis.zrange(key, '0', '-1')))).flat(),
      ...(await redis.hkeys(keys.engines.reservations)),
    ];
  };

  /** Resolves when the worker has forgotten the player. */
  const comeAndGo = async (verdict: Verdict, user?: string): Promise<void> => {
    let tries = 0;
    relay.onStep = ({ name }) => {
      if (name !== 'joinStream') return 'pass';
      tries += 1;
      player.leave();
      return worker.openSockets === 0 ? 'pass' : verdict;
    };
    const player = worker.play(STREAM, user);
    await until('its end was seen', () => tries > 0 && worker.openSockets === 0);
    await until('no session is left', () => worker.parts.registry.streamCount === 0);
  };
  const untilNothing = async (): Promise<void> => {
    let left: string[] = [];
    await until('Redis has nothing of it', async () => {
      left = await leftInRedis();
      return left.length === 0;
    }).catch(() => expect(left).to.deep.equal([]));
    // What the worker thinks it has would be put back by a heartbeat.
    expect(await heartbeat()).to.equal(0);
    expect(await leftInRedis()).to.deep.equal([]);
  };

  for (const [how, verdict] of FATES) {
    it(`${how} leaves nothing behind`, async () => {
      await comeAndGo(verdict);
      await untilNothing();
      expect(engine.witness.starts).to.deep.equal({});
    });

    it(`${how} does not keep its user out`, async () => {
      await comeAndGo(verdict, 'anna');
      const again = worker.play(STREAM, 'anna');
      await again.untilMedia();
      again.leave();
      await untilNothing();
    });
  }
});
