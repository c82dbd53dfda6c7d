import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as delay } from 'node:timers/promises';
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
/** ms; five times the first delay of ecosystem.config.js. */
const RESTART_MS = 1_000;
const CHANNEL = 'fedcba9876543210fedcba9876543210fedcba98';

interface Listed {
  readonly pid: number;
  readonly pm2_env: {
    readonly status: string;
    readonly exit_code?: number;
    readonly restart_time: number;
    readonly pm_out_log_path: string;
    readonly pm_err_log_path: string;
  };
}

describe('Under pm2', () => {
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
    await until('the daemon of pm2 ends', () => !isAlive(daemon), 30_000);
    await engine.stop();
    await redis.stop();
    await rm(home, { recursive: true, force: true });
  });

  const start = async (): Promise<void> => {
    await pm2('start', 'ecosystem.config.js', '--silent');
    daemon = Number(await readFile(join(home, 'pm2.pid'), 'utf8'));
  };
  const base = (): string => `http://127.0.0.1:${String(env['PROXY_PORT'])}`;
  const play = (): Player => new Player(`${base()}/ace/getstream?id=${CHANNEL}`);
  const ready = (): Promise<boolean> =>
    fetch(`${base()}/health/ready`).then(
      ({ ok }) => ok,
      () => false,
    );

  it('is online when it serves, and stops in order', async () => {
    await start();
    // `start` came back with the ready message: it serves already.
    expect(await ready()).to.equal(true);
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

    const players = [play(), play()];
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

  it('keeps its players in a reload by signal, and is started again after a crash', async () => {
    await start();
    const before = await listed();
    expect(before.pm2_env.pm_out_log_path).to.include(home);
    expect(before.pm2_env.pm_err_log_path).to.include(home);
    const workers = childrenOf(before.pid);
    const player = play();
    await player.untilBytes(100_000);
    await pm2('sendSignal', 'SIGHUP', 'acestream-proxy', '--silent');
    const replaced = (): boolean => {
      const now = childrenOf(before.pid);
      return now.length === 2 && now.every((pid) => !workers.includes(pid));
    };
    await until('two other workers', replaced, 30_000);
    await player.untilMore(500_000);
    expect(player.closed).to.equal(false);

    const orphans = childrenOf(before.pid);
    process.kill(before.pid, 'SIGKILL');
    await player.untilClosed();
    await until('the workers end with their primary', () => !orphans.some(isAlive), 5_000);
    await until('it serves again', ready, 30_000);
    const after = await listed();
    expect(after.pid).not.to.equal(before.pid);
    expect(after.pm2_env.restart_time).to.equal(1);
    const second = play();
    await second.untilBytes(100_000);
    second.leave();
  });

  it('leaves a bad configuration alone, and says what is wrong in the log of errors', async () => {
    env = { ...env, PROXY_WORKERS: 'many' };
    await start().catch(() => undefined);
    daemon = Number(await readFile(join(home, 'pm2.pid'), 'utf8'));
    // Its status says "waiting restart" for ever: pm2 7 sets that before it looks at the exit code.
    const ended = async (): Promise<boolean> => (await listed()).pm2_env.exit_code === 78;
    await until('the proxy ends', ended, 30_000);
    await delay(RESTART_MS);
    const { pm2_env: left } = await listed();
    expect(left.restart_time).to.equal(0);
    const complaints = await readFile(left.pm_err_log_path, 'utf8');
    expect(complaints.match(/The configuration has/g)).to.have.length(1);
    expect(complaints).to.include('PROXY_WORKERS');
  });
});

describe('Without the pm2 that started it', () => {
  it('serves where its channel was closed before it could say ready', async () => {
    const redis = await startRedis();
    const port = String(await freePort());
    const url = `http://127.0.0.1:${port}/health/ready`;
    const env = { ...FAST, PROXY_HOST: '127.0.0.1', PROXY_PORT: port, REDIS_URL: redis.url };
    const proxy = fork(join(ROOT, 'dist/primary/main.js'), {
      ...{ env: { PATH: process.env['PATH'], ...env, PROXY_WORKERS: '1' }, silent: true },
    });
    let log = '';
    proxy.stdout?.on('data', (part: Buffer) => (log += part.toString()));
    const exited = once(proxy, 'exit');
    proxy.disconnect();
    try {
      await until('it listens', () => log.includes('listening on'), 30_000);
      // A turn of its event loop after that it would be gone.
      expect((await fetch(url)).status).to.equal(200);
      proxy.kill('SIGTERM');
      expect(await exited).to.deep.equal([0, null]);
    } finally {
      proxy.kill('SIGKILL');
      await exited;
      await redis.stop();
    }
  });
});
