import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { Player } from '../helpers/player.js';
import { childrenOf, isAlive } from '../helpers/process-tree.js';
import { freePort } from '../helpers/redis-server.js';
import { until } from '../helpers/until.js';
import { PID } from '../simulator/ts-packet.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);

function isSimulator(pid: number): boolean {
  try {
    return readFileSync(`/proc/${String(pid)}/cmdline`, 'utf8').includes('test/simulator/main.ts');
  } catch {
    return false;
  }
}

describe('npm run demo', () => {
  it('prints an address that plays, and Ctrl-C ends everything', async () => {
    const port = String(await freePort());
    const clean = Object.entries(process.env).filter(([key]) => !/^(PROXY|ACE|REDIS)_/.test(key));
    const child = spawn('npm', ['run', 'demo'], {
      cwd: ROOT,
      env: {
        ...Object.fromEntries(clean),
        PROXY_PORT: port,
        PROXY_HOST: '127.0.0.1',
        // Not the Redis that may run on this machine.
        REDIS_EMBEDDED: 'always',
      },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const pid = child.pid ?? 0;
    let output = '';
    child.stdout.on('data', (bytes: Buffer) => (output += bytes.toString()));
    child.stderr.on('data', (bytes: Buffer) => (output += bytes.toString()));
    const exited = once(child, 'close');
    const tree = new Set<number>();
    try {
      const media = /(http:\/\/\S+\/ace\/getstream\?id=[0-9a-f]{40})/;
      await until('the address', () => media.exec(output), 45_000).catch((error: unknown) => {
        throw new Error(output, { cause: error });
      });
      const url = (media.exec(output)?.[1] ?? '').replace('localhost', '127.0.0.1');
      expect(new URL(url).port).to.equal(port);
      for (const each of [pid, ...childrenOf(pid)]) tree.add(each);
      const player = new Player(url);
      await player.untilBytes(150_000);
      expect(player.report().firstPackets[0]?.pid).to.equal(PID.pat);
      const { stdout } = await run('ffprobe', [
        ...['-v', 'error', '-show_entries', 'stream=codec_name', '-of', 'csv=p=0', url],
      ]);
      expect(stdout).to.match(/h264/).and.to.match(/aac/);
      const streams = await fetch(`http://127.0.0.1:${port}/streams`);
      expect(await streams.json()).to.have.length(1);

      const engine = childrenOf(pid).find(isSimulator) ?? 0;
      process.kill(engine, 'SIGKILL');
      await until('the engine is back', () =>
        childrenOf(pid).some((each) => each !== engine && isSimulator(each)),
      );
      for (const each of childrenOf(pid)) tree.add(each);
      await player.untilMore(150_000, 30_000);
      expect(player.closed).to.equal(false);
      process.kill(-pid, 'SIGINT');
      await exited;
      await player.untilClosed();
      expect(player.error).to.equal(null);
      expect([...tree].filter(isAlive), 'survivors').to.deep.equal([]);
    } finally {
      for (const each of [...tree].filter(isAlive)) process.kill(each, 'SIGKILL');
    }
  });
});
