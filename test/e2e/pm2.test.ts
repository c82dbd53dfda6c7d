import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { Player } from '../helpers/player.js';
import { childrenOf, isAlive } from '../helpers/process-tree.js';
import { FAST } from '../helpers/proxy.js';
import { freePort, startRedis, type TestRedis } from '../helpers/redis-server.js';
import { until } from '../helpers/until.js';
import { startEngine, type SimulatedEngine } from '../simulator/engine.js';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PM2 = join(ROOT, 'node_modules/.bin/pm2');
const CHANNEL = 'fedcba9876543210fedcba9876543210fedcba98';

interface Listed {
  readonly pid: number;
  readonly pm2_env: {
    readonly status: string;
    readonly exit_code?: number;
    readonly restart_time: number;
    readonly pm_out_log_path: string;
  };
}

describe('Under pm2', function () {
  this.timeout(60_000);
  let home: string;
  let engine: SimulatedEngine;
  let redis: TestRedis;
  let env: NodeJS.ProcessEnv;
  let daemon = 0;

  const pm2 = async (...args: string[]): Promise<string> =>
    (await run(PM2, args, { cwd: ROOT, env, timeout: 30_000 })).stdout;
  const listed = async (): Promise<Listed> => {
    const text = await pm2('jlist');
    const [first] = JSON.parse(text.slice(text.indexOf('[{'))) as Listed[];
    if (first === undefined) throw new Error('pm2 lists nothing');
    return first;
  };

  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'pm2-'));
    engine = await startEngine({});
    redis = await startRedis();
    env = {
      PATH: process.env['PATH'],
      ...FAST,
      HOME: home,
      PM2_HOME: home,
      // It would ask its maker for a newer version.
      PM2_DISABLE_VERSION_CHECK: 'true',
      PM2_DISCRETE_MODE: 'true',
      PROXY_HOST: '127.0.0.1',
      PROXY_PORT: String(await freePort()),
      PROXY_WORKERS: '2',
      REDIS_URL: redis.url,
      ACE_ENGINES: engine.address,
    };
  });

  afterEach(async () => {
    await pm2('kill');
    await until('the daemon of pm2 ends', () => !isAlive(daemon), 10_000);
    await engine.stop();
    await redis.stop();
    await rm(home, { recursive: true, force: true });
  });

  it('is online when it serves, and stops in order', async () => {
    const port = String(env['PROXY_PORT']);
    await pm2('start', 'ecosystem.config.js', '--silent');
    daemon = Number(await readFile(join(home, 'pm2.pid'), 'utf8'));
    // `start` came back with the ready message: it serves already.
    const health = await fetch(`http://127.0.0.1:${port}/health/ready`);
    expect(health.status).to.equal(200);
    const { pid, pm2_env: started } = await listed();
    expect(started.status).to.equal('online');
    expect(started.restart_time).to.equal(0);
    const log = await readFile(started.pm_out_log_path, 'utf8');
    const lines = log.split('\n');
    const serves = lines.findIndex((line) => line.includes('a worker serves'));
    expect(serves, 'a worker serves before the port is open').to.be.within(
      0,
      lines.findIndex((line) => line.includes('listening on')),
    );

    const url = `http://127.0.0.1:${port}/ace/getstream?id=${CHANNEL}`;
    const players = [new Player(url), new Player(url)];
    await Promise.all(players.map((player) => player.untilBytes(100_000)));
    const tree = [pid, ...childrenOf(pid)];
    expect(tree).to.have.length(3);
    await pm2('stop', 'acestream-proxy', '--silent');
    const { pm2_env: stopped } = await listed();
    expect(stopped.status).to.equal('stopped');
    expect(stopped.exit_code).to.equal(0);
    for (const player of players) {
      await player.untilClosed();
      expect(player.error, 'FIN and not a reset').to.equal(null);
    }
    expect(tree.filter(isAlive), 'survivors').to.deep.equal([]);
    const look = new Redis(redis.url);
    expect(await look.keys('ace_proxy:stream:*')).to.deep.equal([]);
    look.disconnect();
    expect(engine.witness.stops[CHANNEL]).to.equal(1);
    await engine.untilClean();
  });
});
