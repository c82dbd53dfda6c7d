import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect } from 'chai';

import { EmbeddedRedis, RedisServerMissing } from '../../../src/primary/embedded-redis.js';
import type { EmbeddedRedisOptions } from '../../../src/primary/embedded-redis.js';
import { probeRedis, redisProcessId } from '../../../src/primary/redis-probe.js';
import { systemClock } from '../../../src/shared/clock.js';
import type { Clock } from '../../../src/shared/clock.js';
import { silentLogger } from '../../helpers/silent-logger.js';

const HOST = '127.0.0.1';

describe('EmbeddedRedis', () => {
  const started: EmbeddedRedis[] = [];
  const usualTmp = process.env.TMPDIR;
  let ownTmp: string;

  const start = async (options: Partial<EmbeddedRedisOptions> = {}): Promise<EmbeddedRedis> => {
    const redis = await EmbeddedRedis.start({
      logger: silentLogger,
      clock: systemClock,
      preferredPort: await unusedPort(),
      db: 0,
      maxMemoryBytes: 134_217_728,
      ...options,
    });
    started.push(redis);
    return redis;
  };

  const directories = (): string[] =>
    readdirSync(ownTmp).filter((name) => name.startsWith('acestream-proxy-redis-'));

  // Tests that run beside this one have their own servers and directories.
  before(() => {
    ownTmp = mkdtempSync(join(tmpdir(), 'embedded-redis-test-'));
    process.env.TMPDIR = ownTmp;
  });

  after(() => {
    if (usualTmp === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = usualTmp;
    rmSync(ownTmp, { recursive: true });
  });

  afterEach(async () => {
    for (const redis of started.splice(0)) {
      const { pid } = redis;
      await redis.stop();
      if (pid !== null) await until(() => processesOf(pid).length === 0, 'no process is left');
    }
    expect(directories(), 'a directory was left behind').to.deep.equal([]);
  });

  it('answers on the preferred port, bounded, without persistence and with the database asked for', async () => {
    const port = await unusedPort();
    const redis = await start({ preferredPort: port, db: 20 });
    expect(redis.url).to.equal(`redis://127.0.0.1:${String(port)}/20`);
    expect(await probeRedis(HOST, port, 1_000)).to.equal('redis');
    const expected = {
      bind: HOST,
      maxmemory: '134217728',
      'maxmemory-policy': 'noeviction',
      save: '',
      appendonly: 'no',
      databases: '21',
    };
    for (const [name, value] of Object.entries(expected)) {
      expect(await command(port, `CONFIG GET ${name}`), name).to.equal(
        `*2\r\n$${String(name.length)}\r\n${name}\r\n$${String(value.length)}\r\n${value}\r\n`,
      );
    }
  });

  it('takes another port when the preferred one is in use', async () => {
    await withServer(async (taken) => {
      const redis = await start({ preferredPort: taken });
      expect(redis.port).to.not.equal(taken);
      expect(await probeRedis(HOST, redis.port, 1_000)).to.equal('redis');
    });
  });

  it('comes back on the same port, empty, however often it is killed', async () => {
    let restarts = 0;
    const redis = await start({ onRestart: () => (restarts += 1) });
    for (let round = 1; round <= 3; round += 1) {
      const { pid } = redis;
      expect(await command(redis.port, 'SET a 1')).to.equal('+OK\r\n');
      process.kill(pid ?? 0, 'SIGKILL');
      await until(() => restarts === round, 'the server is back');
      expect(redis.pid).to.not.equal(pid);
      expect(await redisProcessId(HOST, redis.port, 1_000)).to.equal(redis.pid);
      expect(await command(redis.port, 'EXISTS a')).to.equal(':0\r\n');
      await until(() => processesOf(pid ?? 0).length === 0, 'nothing of the dead server is left');
    }
  });

  it('comes back when somebody shuts it down in order', async () => {
    let restarts = 0;
    const redis = await start({ onRestart: () => (restarts += 1) });
    await command(redis.port, 'SHUTDOWN NOSAVE');
    await until(() => restarts === 1, 'the server is back');
  });

  it('keeps trying while a stranger sits on its port, and does not take it for its own', async () => {
    let restarts = 0;
    let hold: (callback: () => void) => void = () => undefined;
    const firstTry = new Promise<() => void>((resolve) => (hold = resolve));
    const clock: Clock = {
      ...systemClock,
      // The first try comes without delay: it is held back until the stranger sits there.
      setTimeout: (callback, ms) => {
        if (ms === 0) hold(callback);
        return systemClock.setTimeout(ms === 0 ? () => undefined : callback, ms);
      },
    };
    const redis = await start({ clock, onRestart: () => (restarts += 1) });
    process.kill(redis.pid ?? 0, 'SIGKILL');
    const goOn = await firstTry;
    const info = '$20\r\n# Server\r\nprocess_id:1\r\n\r\n';
    await withServer(
      async () => {
        goOn();
        await until(() => redis.state === 'starting', 'it tries');
        await until(() => redis.state === 'backing-off', 'it notices');
        expect(restarts).to.equal(0);
      },
      info,
      redis.port,
    );
    await until(() => restarts === 1, 'the server is back');
    expect(await redisProcessId(HOST, redis.port, 1_000)).to.equal(redis.pid);
  });

  it('leaves no process, listener or directory when it is stopped, and may be stopped twice', async () => {
    const redis = await start();
    const { pid, port } = redis;
    await Promise.all([redis.stop(), redis.stop()]);
    expect(processesOf(pid ?? 0)).to.deep.equal([]);
    expect(await probeRedis(HOST, port, 1_000)).to.equal('nothing');
    expect(redis.state).to.equal('stopped');
  });

  it('stops a server that does not listen to SIGTERM', async () => {
    const redis = await start();
    const { pid } = redis;
    process.kill(pid ?? 0, 'SIGSTOP');
    await redis.stop();
    await until(() => processesOf(pid ?? 0).length === 0, 'no process is left');
  });

  it('comes back when its directory was taken away', async () => {
    let restarts = 0;
    const redis = await start({ onRestart: () => (restarts += 1) });
    for (const name of directories()) rmSync(join(ownTmp, name), { recursive: true });
    process.kill(redis.pid ?? 0, 'SIGKILL');
    await until(() => restarts === 1, 'the server is back');
    expect(directories()).to.have.length(1);
  });

  it('does not come back when it is stopped right after a death', async () => {
    let restarts = 0;
    const redis = await start({ onRestart: () => (restarts += 1) });
    process.kill(redis.pid ?? 0, 'SIGKILL');
    await until(() => redis.state !== 'running', 'the death is noticed');
    await redis.stop();
    expect([restarts, redis.state, redis.pid]).to.deep.equal([0, 'stopped', null]);
    expect(await probeRedis(HOST, redis.port, 1_000)).to.equal('nothing');
  });

  it('says what to install when there is no redis-server', async () => {
    const failure = await start({ command: 'redis-server-that-is-missing' }).catch(
      (error: unknown) => error,
    );
    expect(failure).to.be.instanceOf(RedisServerMissing);
    expect(String(failure)).to.match(/apt-get install redis-server.*REDIS_URL/);
  });

  it('says what the server printed when it does not start', async () => {
    const failure = await start({ maxMemoryBytes: -1 }).catch((error: unknown) => error);
    expect(String(failure)).to.match(/did not start on port \d+: .*maxmemory/s);
  });

  it('does not survive a primary that is killed', async () => {
    const module = new URL('../../../src/primary/embedded-redis.ts', import.meta.url);
    const clock = new URL('../../../src/shared/clock.ts', import.meta.url);
    const logger = new URL('../../helpers/silent-logger.ts', import.meta.url);
    const script = `
      const { EmbeddedRedis } = await import(${JSON.stringify(fileURLToPath(module))});
      const { systemClock } = await import(${JSON.stringify(fileURLToPath(clock))});
      const { silentLogger } = await import(${JSON.stringify(fileURLToPath(logger))});
      const redis = await EmbeddedRedis.start({
        logger: silentLogger, clock: systemClock, preferredPort: ${String(await unusedPort())}, db: 0,
        maxMemoryBytes: 134217728,
      });
      console.log(redis.pid, redis.port);
    `;
    const primary = spawn(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '--eval', script],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let pid = 0;
    try {
      const [line] = (await once(primary.stdout, 'data')) as [Buffer];
      const [serverPid = 0, port = 0] = line.toString().trim().split(' ').map(Number);
      pid = serverPid;
      expect(await redisProcessId(HOST, port, 1_000)).to.equal(pid);
      expect(directories()).to.have.length(1);
    } finally {
      primary.kill('SIGKILL');
    }
    await once(primary, 'exit');
    await until(() => processesOf(pid).length === 0, 'the server and its watcher are gone');
    await until(() => directories().length === 0, 'its directory is gone');
  });
});

describe('probeRedis', () => {
  it('finds nothing on a closed port', async () => {
    expect(await probeRedis(HOST, await unusedPort(), 1_000)).to.equal('nothing');
  });

  const peers: readonly (readonly [string, string | null, string])[] = [
    ['an HTTP server', 'HTTP/1.1 400 Bad Request\r\n\r\n', 'other'],
    ['a silent listener', null, 'other'],
    ['an endless talker', 'x'.repeat(100_000), 'other'],
    ['a Redis that wants a password', '-NOAUTH Authentication required.\r\n', 'redis'],
    ['a Redis that loads its data', '-LOADING Redis is loading the dataset in memory\r\n', 'redis'],
  ];
  for (const [who, reply, expected] of peers) {
    it(`takes ${who} for ${expected}`, async () => {
      await withServer(async (port) => {
        expect(await probeRedis(HOST, port, 200)).to.equal(expected);
      }, reply);
    });
  }
});

async function withServer(
  use: (port: number) => Promise<void>,
  reply: string | null = null,
  at = 0,
): Promise<void> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', () => reply !== null && socket.write(reply));
  });
  server.listen(at, HOST);
  await once(server, 'listening');
  try {
    await use((server.address() as AddressInfo).port);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

async function unusedPort(): Promise<number> {
  let port = 0;
  await withServer((found) => {
    port = found;
    return Promise.resolve();
  });
  return port;
}

/** Sends one inline command and gives back the raw reply. */
async function command(port: number, text: string): Promise<string> {
  const socket = connect({ host: HOST, port });
  let reply = '';
  socket.setEncoding('utf8').on('data', (part: string) => (reply += part));
  socket.end(`${text}\r\n`);
  await once(socket, 'close');
  return reply;
}

/** Living processes of a server: itself and the watcher it has as a child. */
function processesOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((candidate) => {
      const status = statusOf(candidate);
      return (
        status !== null && status.state !== 'Z' && (candidate === pid || status.session === pid)
      );
    });
}

/** proc(5): the name in brackets may hold anything, so the fields are counted from behind it. */
function statusOf(pid: number): { state: string; session: number } | null {
  const path = `/proc/${String(pid)}/stat`;
  try {
    const fields = readFileSync(path, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
    return { state: fields[0] ?? '', session: Number(fields[3]) };
  } catch {
    return null;
  }
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`it never came true that ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
