import { expect } from 'chai';
import { LEASE_MS, startHost, watchReads } from '../helpers/hosts.js';
import { Player } from '../helpers/player.js';
import type { Proxy } from '../helpers/proxy.js';
import { startRedis, type TestRedis } from '../helpers/redis-server.js';
import { API_KEY } from '../helpers/stage.js';
import { until } from '../helpers/until.js';
import { startEngine, type SimulatedEngine } from '../simulator/engine.js';

const CHANNEL = '2222222222222222222222222222222222222222';
const CLIENTS = `ace_proxy:stream:${CHANNEL}:clients`;
const BITRATE = 4_000_000;
const SECOND = BITRATE / 8;
/** Longer than the ring: a follower that believed its own clock would find every chunk too old. */
const CLOCK_AHEAD_MS = 90_000;
/** `PROXY_OWNER_LOCK_TTL` of the tests. */
const LOCK_MS = 2_000;
/** `PROXY_CLEANUP_INTERVAL` and `PROXY_GRACE_PERIOD` of the tests, and the contract's second. */
const SWEEP_MS = 2_000 + 600 + 1_000;
/** From a free lock to media: the follower's poll, the old session's stop, the new one's start. */
const TAKEOVER_MS = 1_500;

describe('Two hosts on one Redis, their clocks 90 s apart', () => {
  let redis: TestRedis;
  let engine: SimulatedEngine;
  let first: Proxy;
  let second: Proxy;
  let players: Player[] = [];

  before(async () => {
    engine = await startEngine({ source: 'stamped', bitrate: BITRATE, gop: 0.5, prebufferMs: 50 });
    redis = await startRedis();
    const engines = [engine];
    [first, second] = await Promise.all([
      startHost({ redis, engines }),
      startHost({ redis, engines, clockAheadMs: CLOCK_AHEAD_MS }),
    ]);
  });

  after(async () => {
    for (const proxy of [first, second]) await proxy.stop();
    await redis.stop();
    await engine.stop();
  });

  afterEach(async () => {
    for (const player of players) player.leave();
    players = [];
    await second.untilNoKeys();
    await engine.untilClean();
    engine.reset();
  });

  function watch(proxy: Proxy, count: number): Player[] {
    const fresh = Array.from({ length: count }, () => new Player(proxy.media(CHANNEL)));
    players.push(...fresh);
    return fresh;
  }

  /** Two players on each host; the first host owns the stream. */
  async function share(): Promise<{ near: Player[]; far: Player[] }> {
    const near = watch(first, 2);
    await Promise.all(near.map((player) => player.untilBytes(SECOND)));
    const far = watch(second, 2);
    await Promise.all(far.map((player) => player.untilBytes(SECOND)));
    expect(first.workers()).to.include(await second.ownerPid(CHANNEL));
    return { near, far };
  }

  it('carry a stream with one engine session, and each worker reads each chunk once', async () => {
    await share();
    const reads = await watchReads(second, 1_000);
    const readers = new Set([...reads.keys()].map((read) => read.split(' ')[0]));
    expect(readers.size, 'workers that read: all but the owner').to.equal(3);
    expect(
      [...reads.values()].every((times) => times === 1),
      'no chunk is read twice',
    ).to.equal(true);
    expect(engine.witness.starts[CHANNEL]).to.equal(1);
    const list = (await second.json('/streams?status=started', bearer())).body as unknown[];
    expect(list).to.have.length(1);
    for (const player of players) {
      const { lost, duplicated, reordered, marked } = player.report();
      expect({ lost, duplicated, reordered, marked }).to.deep.equal({
        ...{ lost: 0, duplicated: 0, reordered: 0, marked: 0 },
      });
    }
  });

  it('give a joiner of either host a cushion from the ring', async () => {
    const { near, far } = await share();
    await near[0]?.untilMore(SECOND);
    for (const player of [...watch(first, 1), ...watch(second, 1)]) {
      await player.untilBytes(1);
      expect(player.firstByteMs, 'ms to the first byte').to.be.lessThan(300);
      const { bytes } = player;
      expect(bytes, 'bytes at once').to.be.greaterThan(0);
    }
    expect(far.every(({ closed }) => !closed)).to.equal(true);
  });

  it('stop a stream a grace period after the last player of the other host left', async () => {
    const { near, far } = await share();
    for (const player of near) player.leave();
    await until('the near players are gone', async () => (await first.look.scard(CLIENTS)) === 2);
    const leftAt = Date.now();
    for (const player of far) player.leave();
    await second.untilNoKeys(4_000);
    expect(Date.now() - leftAt, 'ms').to.be.within(500, 600 + 1_000);
    expect(engine.witness.stops[CHANNEL]).to.equal(1);
  });

  it('stop a stream by the API of the host that does not own it', async () => {
    await share();
    const { status } = await second.json(`/streams/${CHANNEL}`, bearer('DELETE'));
    expect(status).to.be.oneOf([200, 202, 204]);
    await Promise.all(players.map((player) => player.untilClosed()));
    expect(engine.witness.stops[CHANNEL]).to.equal(1);
  });

  it('disconnect a client by the API of the host that does not serve it', async () => {
    const { near, far } = await share();
    const { body } = await first.json(`/streams/${CHANNEL}/clients`, bearer());
    const listed = body as { id: string; worker_id: string }[];
    expect(listed, 'clients of both hosts').to.have.length(4);
    const pids = second.workers();
    const strangers = listed.filter((each) => pids.includes(Number(each.worker_id.split(':')[1])));
    expect(strangers).to.have.length(2);
    const path = `/streams/${CHANNEL}/clients/${String(strangers[0]?.id)}`;
    await first.json(path, bearer('DELETE'));
    await until('one far player is closed', () => far.filter(({ closed }) => closed).length === 1);
    expect(near.filter(({ closed }) => closed)).to.have.length(0);
  });

  it("keep the other host's players when the owner's host loses its power", async () => {
    const { far } = await share();
    for (const player of far) player.resetGap();
    await first.tree.powerOff();
    const takenOver = (): Promise<boolean> =>
      second.look.get(`ace_proxy:stream:${CHANNEL}:owner`).then((owner) => {
        return second.workers().includes(Number(owner?.split(':').at(-2)));
      });
    await until('the second host owns the stream', takenOver, LOCK_MS + TAKEOVER_MS);
    await Promise.all(far.map((player) => player.untilMore(SECOND)));
    for (const player of far) {
      expect(player.closed, 'closed').to.equal(false);
      expect(player.longestGap, 'ms without media').to.be.lessThan(LOCK_MS + TAKEOVER_MS);
      expect(player.report().lost, 'lost without a mark').to.equal(0);
    }
    const live = engine.witness.sessions.filter(({ stoppedAt }) => stoppedAt === null);
    expect(live, 'sessions on the engine').to.have.length(1);
    expect(engine.witness.maxReadersPerSession).to.equal(1);
    for (const player of far) player.leave();
    await second.untilNoKeys(LEASE_MS + SWEEP_MS);
  });
});

function bearer(method = 'GET'): RequestInit {
  return { method, headers: { Authorization: `Bearer ${API_KEY}` } };
}
