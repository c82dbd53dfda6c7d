import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { ClientId, StreamId } from '../../../src/shared/ids.js';
import { ClientStore } from '../../../src/shared/redis/client-store.js';
import { newWorkerId } from '../../../src/shared/ids.js';
import { openRedisFixture, type RedisFixture } from '../../helpers/redis-fixture.js';
import { testSettings } from '../../helpers/settings.js';
import { until } from '../../helpers/until.js';
import { startWorkers, type KitPlayer, type KitWorker } from '../../helpers/worker-kit.js';
import { startEngine, type SimulatedEngine } from '../../simulator/engine.js';

let channels = 0;
const nextChannel = (): StreamId => (++channels).toString(16).padStart(40, 'e') as StreamId;

describe('The places of a user in Redis', () => {
  let fixture: RedisFixture;
  let stores: ClientStore[];
  before(async () => {
    fixture = await openRedisFixture();
    const { redis, keys } = fixture;
    stores = [1, 2].map(
      (pid) => new ClientStore({ redis, keys, worker: newWorkerId(pid), leaseMs: 1_000 }),
    );
  });
  after(() => fixture.close());
  beforeEach(() => fixture.redis.flushall());

  const idOf = (n: number): ClientId => n.toString(16).padStart(24, '0') as ClientId;
  const places = (): string => fixture.keys.userPlaces('anna');
  const take = (n: number, limit: number, lifeMs = 60_000): Promise<boolean> =>
    stores[n % 2]!.takePlace('anna', idOf(n), { limit, lifeMs });

  it('are never more than the limit, whoever asks at once', async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => take(n, 3)));
    expect(answers.filter((taken) => taken)).to.have.length(3);
    const again = await Promise.all(
      answers.map((taken, n) => (taken ? take(n, 3) : Promise.resolve(false))),
    );
    expect(again).to.deep.equal(answers);
  });

  it('count by the clock of Redis, to the millisecond, for as long as they were asked for', async () => {
    const now = async (): Promise<number> => {
      const [seconds, micros] = await fixture.redis.time();
      return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
    };
    for (const lifeMs of [30_000, 60_000]) {
      const earliest = (await now()) + lifeMs;
      expect(await take(1, 1, lifeMs)).to.equal(true);
      const expiry = Number(await fixture.redis.zscore(places(), idOf(1)));
      expect(expiry).to.be.within(earliest, (await now()) + lifeMs);
      expect(expiry % 1).to.equal(0);
      expect(await fixture.redis.pttl(places())).to.be.within(lifeMs - 5_000, lifeMs);
    }
  });

  it('do not count when they have run out, and are asked for anew then', async () => {
    const over = Date.now() - 1_000;
    await fixture.redis.zadd(places(), over, idOf(1), over, idOf(2));
    expect(await take(3, 1)).to.equal(true);
    expect(await fixture.redis.zrange(places(), '0', '-1')).to.deep.equal([idOf(3)]);
    await fixture.redis.zadd(places(), over, idOf(1));
    expect(await take(1, 1)).to.equal(false);
    expect(await fixture.redis.zrange(places(), '0', '-1')).to.deep.equal([idOf(3)]);
    expect(await take(1, 2)).to.equal(true);
    expect(await take(3, 1), 'also when the limit has become smaller').to.equal(true);
  });

  it('run out, and leave no key behind', async () => {
    expect(await take(1, 1, 150)).to.equal(true);
    expect(await take(2, 1, 150)).to.equal(false);
    await until('the place has run out', () => take(2, 1, 150));
    await until('no key is left', async () => (await fixture.redis.dbsize()) === 0);
  });
});

describe('The limit of a user', () => {
  let directory: string;
  let fixture: RedisFixture;
  let engine: SimulatedEngine;
  let workers: KitWorker[];
  const players: KitPlayer[] = [];

  const write = (users: object[]): void => {
    writeFileSync(join(directory, 'users.json'), JSON.stringify(users));
  };
  const play = (at: number, stream: StreamId, user = 'anna'): KitPlayer => {
    const player = workers[at]!.play(stream, user);
    players.push(player);
    return player;
  };
  const places = (): Promise<number> => fixture.redis.zcard(fixture.keys.userPlaces('anna'));

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'user-limit-'));
    write([{ name: 'anna', token: 'annas-own-token-0123', max_clients: 1 }]);
    fixture = await openRedisFixture();
    // Fast enough to fill the buffers of a player that takes nothing.
    engine = await startEngine({ prebufferMs: 0, startDelayMs: 5, gop: 0.5, bitrate: 24_000_000 });
    const access = { ...testSettings().access, usersPath: join(directory, 'users.json') };
    const settings = { access, heartbeatMs: 1_000 };
    workers = await startWorkers(2, { redis: fixture.settings, engines: [engine], settings });
    for (const { parts } of workers) await parts.access.refresh();
  });
  afterEach(async () => {
    for (const player of players.splice(0)) player.leave();
    await until('nobody has a place', async () => (await places()) === 0, 30_000);
    await Promise.all(workers.map((worker) => worker.stop()));
    await engine.stop();
    await fixture.close();
    rmSync(directory, { recursive: true });
  });

  it('holds over all workers, and is free when the player leaves', async () => {
    const stream = nextChannel();
    const first = play(0, stream);
    await first.untilMedia();
    expect(await play(1, stream).untilRefused()).to.equal('USER_LIMIT');
    await play(1, stream, 'bert')
      .untilRefused()
      .then((code) => expect(code).to.equal('TOKEN_REFUSED'));
    first.leave();
    await play(1, stream).untilMedia();
    expect(await places()).to.equal(1);
  });

  it('lets a player change the channel that opens the new one first', async () => {
    const first = play(0, nextChannel());
    await first.untilMedia();
    const second = play(1, nextChannel());
    setTimeout(() => first.leave(), 300);
    await second.untilMedia();
  });

  it('stands in the record of the client', async () => {
    const stream = nextChannel();
    await play(0, stream).untilMedia();
    const { clients, client } = fixture.keys.stream(stream);
    const [id] = (await fixture.redis.smembers(clients)) as ClientId[];
    expect(await fixture.redis.hget(client(id!), 'user')).to.equal('anna');
  });

  it('does not keep a player out whose ghost takes nothing any more', async () => {
    const stream = nextChannel();
    const ghost = play(0, stream);
    await ghost.untilMedia();
    ghost.freeze();
    await until('the ghost has given its place up', async () => (await places()) === 0, 30_000);
    const again = play(1, stream);
    await again.untilMedia();
    expect(await places()).to.equal(1);
  });

  it('does not keep a player out for long whose worker died', async () => {
    const stream = nextChannel();
    await play(0, stream).untilMedia();
    const [dead] = workers.splice(0, 1);
    await dead!.kill();
    await until(
      'the player is let in again',
      async () => {
        const player = play(0, stream);
        await until('an answer', () => player.refusal ?? (player.bytes > 0 && 'media'), 30_000);
        return player.refusal === null;
      },
      30_000,
    );
  });

  it('ends with the user', async () => {
    const player = play(0, nextChannel());
    await player.untilMedia();
    write([{ name: 'bert', token: 'berts-own-token-0123' }]);
    await until('the player is sent away', () => player.closed);
  });
});
