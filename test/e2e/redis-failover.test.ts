import { expect } from 'chai';
import { Redis } from 'ioredis';
import { startCluster, type TestCluster } from '../helpers/redis-cluster.js';
import { startSentinel, type TestSentinel } from '../helpers/redis-sentinel.js';
import { runScript } from '../helpers/run-script.js';
import { setStage, type Stage } from '../helpers/stage.js';
import { until } from '../helpers/until.js';
import { expectWhole, untilAllGoOn } from '../helpers/watching.js';

const CHANNEL = '5e115e115e115e115e115e115e115e115e115e11';
/** The other two of three masters. */
const OTHERS = [
  '0000000000000000000000000000000000000001',
  '0000000000000000000000000000000000000002',
  '0000000000000000000000000000000000000003',
  '0000000000000000000000000000000000000004',
];

describe('Redis behind Sentinels', () => {
  let sentinel: TestSentinel;
  let stage: Stage;

  before(async () => {
    sentinel = await startSentinel();
    stage = await setStage({
      engines: [{ source: 'stamped' }],
      redis: sentinel.replica,
      redisEnv: {
        REDIS_SENTINELS: `127.0.0.1:${String(sentinel.port)}`,
        REDIS_SENTINEL_NAME: sentinel.name,
      },
    });
  });

  after(async () => {
    await stage.end();
    await sentinel.stop();
  });

  it('fails over under two players, who keep their connection and one engine session', async () => {
    const players = [stage.play(CHANNEL), stage.play(CHANNEL)];
    await Promise.all(players.map((player) => player.untilBytes(400_000)));
    await sentinel.master.kill();
    await sentinel.untilFailedOver(10_000);
    await untilAllGoOn(players, 30_000);
    expectWhole(players);
    const { starts, violations } = stage.engine.witness;
    expect(starts[CHANNEL], 'engine sessions').to.equal(1);
    expect(violations).to.deep.equal([]);

    await stage.clear();
    expect(stage.engine.witness.stops[CHANNEL]).to.equal(1);
    const env = {
      REDIS_SENTINELS: `127.0.0.1:${String(sentinel.port)}`,
      REDIS_SENTINEL_NAME: sentinel.name,
    };
    const script = await runScript('streams.mjs', ['--json'], env);
    expect(script.stdout.trim(), script.stderr).to.equal('[]');
  });
});

describe('A Redis Cluster', () => {
  let cluster: TestCluster;
  let stage: Stage;
  let env: Record<string, string>;

  before(async () => {
    cluster = await startCluster();
    env = { REDIS_CLUSTER: cluster.addresses, PROXY_REDIS_HASH_TAGS: 'true' };
    const { server } = cluster.masters[0]!;
    stage = await setStage({
      engines: [{ source: 'stamped' }],
      redis: server,
      redisEnv: env,
      look: new Redis(server.port),
      // Limits have keys of their own, in slots of their own.
      env: { PROXY_MAX_CLIENTS: '50', PROXY_MAX_STREAMS: '20', PROXY_MAX_STREAMS_PER_ENGINE: '10' },
    });
  });

  after(async () => {
    await stage.end();
    await cluster.stop();
  });

  it('carries streams on all its masters, each in one slot, and nothing is left of them', async () => {
    const streams = [CHANNEL, ...OTHERS];
    const players = streams.flatMap((stream) => [stage.play(stream), stage.play(stream)]);
    await Promise.all(players.map((player) => player.untilBytes(200_000, 30_000)));
    expect(await cluster.spread('ace_proxy:stream:*')).to.equal(3);
    expectWhole(players);
    for (const stream of streams) {
      expect(await cluster.keys(`ace_proxy:stream:{${stream}}:*`)).to.include.members([
        `ace_proxy:stream:{${stream}}:metadata`,
        `ace_proxy:stream:{${stream}}:owner`,
      ]);
    }
    const { body } = await stage.proxy.json('/streams?status=started', stage.bearer());
    expect(body).to.have.length(streams.length);

    const listed = await runScript('streams.mjs', ['--json'], env);
    expect(listed.code, listed.stderr).to.equal(0);
    expect(JSON.parse(listed.stdout)).to.have.length(streams.length);
    const stopped = await runScript('stop-stream.mjs', [CHANNEL], env);
    expect(stopped.stdout.trim(), stopped.stderr).to.equal('stopped');

    for (const player of players) player.leave();
    await until(
      'no key of a stream is left',
      async () => (await cluster.keys('ace_proxy:stream:*')).length === 0,
    );
    const orphans = await runScript('orphans.mjs', [], env);
    expect(orphans.stdout.trim(), orphans.stderr).to.equal('no orphans');
    await stage.engine.untilClean();
  });

  it('loses the master of a stream under two players, who keep their connection', async () => {
    const owner = `ace_proxy:stream:{${CHANNEL}}:owner`;
    await cluster.replicate(owner);
    const { starts } = stage.engine.witness;
    const before = starts[CHANNEL];
    const players = [stage.play(CHANNEL), stage.play(CHANNEL)];
    await Promise.all(players.map((player) => player.untilBytes(400_000)));
    await (await cluster.masterOf(owner)).kill();
    await until(
      'the replica serves the slot',
      async () => (await cluster.state()).includes('cluster_state:ok'),
      30_000,
    );
    await untilAllGoOn(players, 30_000);
    expectWhole(players);
    expect(starts[CHANNEL], 'engine sessions').to.equal((before ?? 0) + 1);
    for (const player of players) player.leave();
    await until(
      'no key of a stream is left',
      async () => (await cluster.keys('ace_proxy:stream:*')).length === 0,
    );
    await stage.engine.untilClean();
  });
});
