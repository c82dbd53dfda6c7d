import { expect } from 'chai';
import { startHost } from '../helpers/hosts.js';
import { makeNetworks, type HostNetwork, type Networks } from '../helpers/namespaces.js';
import { Player } from '../helpers/player.js';
import type { Proxy } from '../helpers/proxy.js';
import { startRedis, type TestRedis } from '../helpers/redis-server.js';
import { until } from '../helpers/until.js';
import { startEngine, type SimulatedEngine } from '../simulator/engine.js';

const CHANNEL = '3333333333333333333333333333333333333333';
const BITRATE = 4_000_000;
const SECOND = BITRATE / 8;
/** `PROXY_OWNER_LOCK_TTL` of the tests, and from a free lock to media. */
const LOCK_MS = 2_000;
const TAKEOVER_MS = 2_000;
/** Far beyond the lock's life, and beyond the time in which an engine is given up. */
const CUT_MS = 6_000;

/** Why there can be no namespaces here, or `null` where there can. */
async function tryNetworks(): Promise<Networks | string> {
  try {
    return await makeNetworks(2);
  } catch (error) {
    return String(error).split('\n')[0] ?? 'unknown';
  }
}

const made = await tryNetworks();
const why = typeof made === 'string' ? ` (skipped, no network namespaces here: ${made})` : '';
const suite = typeof made === 'string' ? describe.skip : describe;

suite(`Two hosts in networks of their own${why}`, () => {
  const networks = made as Networks;
  let redis: TestRedis;
  let engine: SimulatedEngine;
  let first: Proxy;
  let second: Proxy;
  let cut: HostNetwork;
  let players: Player[] = [];

  before(async () => {
    const [a, b] = networks.hosts as [HostNetwork, HostNetwork];
    cut = a;
    // By the wire that stays: the address of a cut one would be gone.
    engine = await startEngine({
      ...{ source: 'stamped', bitrate: BITRATE, gop: 0.5, prebufferMs: 50, host: b.hub },
    });
    redis = await startRedis({ args: ['--bind', '0.0.0.0', '--protected-mode', 'no'] });
    const env = { REDIS_URL: `redis://${b.hub}:${String(redis.port)}` };
    const engines = `${engine.address};id=shared`;
    [first, second] = (await Promise.all(
      [a, b].map((place) => startHost({ redis, engines, env, place })),
    )) as [Proxy, Proxy];
  });

  after(async () => {
    for (const proxy of [first, second]) await proxy.stop();
    await redis.stop();
    await engine.stop();
    await networks.remove();
  });

  it('keep every player when the wire of the owner is pulled and put back', async () => {
    const near = [new Player(first.media(CHANNEL)), new Player(first.media(CHANNEL))];
    players = near;
    await Promise.all(near.map((player) => player.untilBytes(SECOND)));
    const far = [new Player(second.media(CHANNEL)), new Player(second.media(CHANNEL))];
    players = [...near, ...far];
    await Promise.all(far.map((player) => player.untilBytes(SECOND)));
    const owners = (): Promise<string | null> =>
      second.look.get(`ace_proxy:stream:${CHANNEL}:owner`);
    const before = await owners();

    for (const player of far) player.resetGap();
    await cut.plug(false);
    await new Promise((resolve) => setTimeout(resolve, CUT_MS));
    const after = await owners();
    expect(after, 'the owner').to.not.equal(before);
    for (const player of far) {
      expect(player.closed, 'closed').to.equal(false);
      expect(player.longestGap, 'ms without media').to.be.lessThan(LOCK_MS + TAKEOVER_MS);
    }

    await cut.plug(true);
    for (const player of far) player.resetGap();
    await Promise.all(players.map((player) => player.untilMore(SECOND * 2, 30_000)));
    for (const player of players) {
      expect(player.closed, 'closed').to.equal(false);
      expect(player.report().lost, 'lost without a mark').to.equal(0);
    }
    for (const player of far) expect(player.longestGap, 'ms').to.be.lessThan(1_000);
    const live = (): number =>
      engine.witness.sessions.filter(({ stoppedAt }) => stoppedAt === null).length;
    await until('one session is left', () => live() === 1);
    expect(engine.witness.maxReadersPerSession).to.equal(1);

    for (const player of players) player.leave();
    await second.untilNoKeys();
    // The sockets of the cut wire that nobody could close end by their own time-outs.
    await until('no session is left', () => live() === 0);
  });
});
