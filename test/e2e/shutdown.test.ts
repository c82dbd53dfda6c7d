import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { Player } from '../helpers/player.js';
import { childrenOf, isAlive } from '../helpers/process-tree.js';
import { freePort, startRedis } from '../helpers/redis-server.js';
import { FAST } from '../helpers/proxy.js';
import { setStage, type Stage } from '../helpers/stage.js';
import { until } from '../helpers/until.js';
import { startEngine } from '../simulator/engine.js';

const CHANNEL = '7777777777777777777777777777777777777777';
const TIMEOUT_MS = Number(FAST['PROXY_SHUTDOWN_TIMEOUT']) * 1_000;
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Ten players on both workers; returns when all play. */
async function tenPlayers(stage: Stage): Promise<Player[]> {
  const players = Array.from({ length: 10 }, () => stage.play(CHANNEL));
  await Promise.all(players.map((player) => player.untilBytes(100_000)));
  const { look } = stage.proxy;
  const key = `ace_proxy:stream:${CHANNEL}:clients`;
  const workers = (await look.smembers(key)).map((id) => look.hget(`${key}:${id}`, 'worker_id'));
  expect(new Set(await Promise.all(workers)).size, 'workers that serve').to.equal(2);
  return players;
}

async function expectAllEnded(players: readonly Player[]): Promise<void> {
  for (const player of players) {
    await player.untilClosed();
    expect(player.error, 'FIN and not a reset').to.equal(null);
    const { lost, misaligned, corrupt } = player.report();
    expect({ lost, misaligned, corrupt }).to.deep.equal({ lost: 0, misaligned: 0, corrupt: 0 });
  }
}

describe('SIGTERM while ten players watch', () => {
  for (const cmdMode of ['ok', 'hang'] as const) {
    it(`ends everything in order with an engine whose stop is "${cmdMode}"`, async () => {
      const stage = await setStage({ engines: [{ cmdMode }] });
      const players = await tenPlayers(stage);
      const begun = Date.now();
      stage.proxy.tree.children();
      stage.proxy.tree.signal('SIGTERM');
      const { code } = await stage.proxy.tree.exited;
      expect(code, 'exit code').to.equal(0);
      expect(Date.now() - begun, 'ms').to.be.lessThan(TIMEOUT_MS);
      await expectAllEnded(players);
      expect(await stage.proxy.keys()).to.deep.equal([]);
      expect(await stage.proxy.keys('ace_proxy:worker:*')).to.deep.equal([]);
      expect(stage.proxy.tree.survivors()).to.deep.equal([]);
      if (cmdMode === 'hang') stage.engine.reset();
      else expect(stage.engine.witness.stops[CHANNEL]).to.equal(1);
      await stage.end();
    });
  }

  it('refuses a player that comes meanwhile and starts nothing for it', async () => {
    const stage = await setStage({ engines: [{}, { cmdMode: 'hang' }] });
    await tenPlayers(stage);
    stage.proxy.tree.signal('SIGTERM');
    // A signal takes its time to arrive; until then a player is served.
    await stage.proxy.tree.line('shutting down');
    const late = new Player(stage.proxy.media('8'.repeat(40)));
    await late.untilClosed();
    expect(late.status === null || late.status === 503, String(late.status)).to.equal(true);
    expect(late.bytes < 1_000).to.equal(true);
    await stage.proxy.tree.exited;
    for (const engine of stage.engines) {
      expect(engine.witness.startRequests['8'.repeat(40)]).to.equal(undefined);
    }
    stage.engines[1]?.reset();
    await stage.end();
  });
});

describe('SIGTERM while a stream starts', () => {
  it('stops the session that the engine begins meanwhile', async () => {
    const stage = await setStage({ engines: [{ startDelayMs: 700 }] });
    const { witness } = stage.engine;
    const player = stage.play(CHANNEL);
    await until('the engine is asked', () => witness.startRequests[CHANNEL] === 1);
    stage.proxy.tree.signal('SIGTERM');
    const { code } = await stage.proxy.tree.exited;
    expect(code, 'exit code').to.equal(0);
    await player.untilClosed();
    expect(witness.sessions.map(({ stoppedAt }) => stoppedAt)).to.not.include(null);
    expect(witness.sessions).to.have.length(1);
    expect(await stage.proxy.keys()).to.deep.equal([]);
    await stage.end();
  });
});

describe('Ctrl-C in a terminal', () => {
  it('reaches every process of the group, and all end in order', async () => {
    const engine = await startEngine({});
    const redis = await startRedis();
    const port = await freePort();
    const env = {
      PATH: process.env['PATH'],
      ...FAST,
      PROXY_HOST: '127.0.0.1',
      PROXY_PORT: String(port),
      PROXY_WORKERS: '2',
      REDIS_URL: redis.url,
      ACE_ENGINES: engine.address,
      LOG_FORMAT: 'json',
    };
    const child = spawn(process.execPath, ['dist/primary/main.js'], {
      cwd: ROOT,
      env,
      detached: true,
      stdio: 'ignore',
    });
    const exited = once(child, 'exit');
    const pid = child.pid ?? 0;
    try {
      await until('it serves', async () =>
        fetch(`http://127.0.0.1:${String(port)}/health/ready`).then(
          ({ ok }) => ok,
          () => false,
        ),
      );
      const url = `http://127.0.0.1:${String(port)}/ace/getstream?id=${CHANNEL}`;
      const players = Array.from({ length: 4 }, () => new Player(url));
      await Promise.all(players.map((player) => player.untilBytes(100_000)));
      const all = [pid, ...childrenOf(pid)];
      process.kill(-pid, 'SIGINT');
      const [code] = (await exited) as [number | null];
      expect(code, 'exit code').to.equal(0);
      await expectAllEnded(players);
      expect(all.filter(isAlive), 'survivors').to.deep.equal([]);
      expect(engine.witness.stops[CHANNEL]).to.equal(1);
      await engine.untilClean();
    } finally {
      if (isAlive(pid)) process.kill(-pid, 'SIGKILL');
      await engine.stop();
      await redis.stop();
    }
  });
});
