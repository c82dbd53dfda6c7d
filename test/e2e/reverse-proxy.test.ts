import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { Player } from '../helpers/player.js';
import { startProxy, type Proxy } from '../helpers/proxy.js';
import { freePort } from '../helpers/redis-server.js';
import { until } from '../helpers/until.js';
import { startEngine, type SimulatedEngine } from '../simulator/engine.js';

const CHANNEL = 'abcdefabcdefabcdefabcdefabcdefabcdefabcd';
const CONFIG = fileURLToPath(new URL('../../deploy/nginx.conf', import.meta.url));

describe('Behind nginx, with the configuration from deploy/', () => {
  let engine: SimulatedEngine;
  let proxy: Proxy;
  let nginx: ChildProcess | undefined;
  let folder: string;
  let port: number;

  before(async () => {
    engine = await startEngine({ source: 'stamped' });
    proxy = await startProxy({
      engines: [engine],
      env: { PROXY_TRUSTED_PROXIES: '127.0.0.1', PROXY_API_KEY: 'a-key-for-the-nginx-test' },
    });
    port = await freePort();
    folder = mkdtempSync(join(tmpdir(), 'nginx-test-'));
    const server = readFileSync(CONFIG, 'utf8')
      .replace('listen 80;', `listen 127.0.0.1:${String(port)};`)
      .replace('127.0.0.1:8000', `127.0.0.1:${String(proxy.port)}`);
    const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((name) => `${name}_temp_path ${join(folder, name)};`)
      .join('\n');
    const main = `daemon off; master_process off; pid ${join(folder, 'pid')}; error_log stderr;
events {} http { access_log off; ${paths} ${server} }`;
    writeFileSync(join(folder, 'nginx.conf'), main);
    execFileSync('nginx', ['-t', '-c', join(folder, 'nginx.conf')], { stdio: 'pipe' });
    nginx = spawn('nginx', ['-c', join(folder, 'nginx.conf')], { stdio: 'ignore' });
    const url = `http://127.0.0.1:${String(port)}/health/live`;
    await until('nginx serves', () =>
      fetch(url).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
  });

  after(async () => {
    if (nginx?.exitCode === null) {
      nginx.kill('SIGKILL');
      await once(nginx, 'exit');
    }
    rmSync(folder, { recursive: true, force: true });
    expect(await proxy.stop()).to.equal(0);
    await engine.stop();
  });

  it('passes every packet on as it comes, and the address of the player', async () => {
    const player = new Player(`http://127.0.0.1:${String(port)}/ace/getstream?id=${CHANNEL}`, {
      head: `GET /ace/getstream?id=${CHANNEL} HTTP/1.0\r\nHost: tv.example\r\n\r\n`,
    });
    await player.untilBytes(2_000_000, 30_000);
    const { lost, duplicated, reordered, misaligned } = player.report();
    expect({ lost, duplicated, reordered, misaligned }).to.deep.equal({
      lost: 0,
      duplicated: 0,
      reordered: 0,
      misaligned: 0,
    });
    // Buffered media would come in bursts of seconds.
    player.resetGap();
    await player.untilMore(1_000_000);
    expect(player.longestGap).to.be.below(1_000);
    const answer = await proxy.json(`/streams/${CHANNEL}/clients`, {
      headers: { Authorization: 'Bearer a-key-for-the-nginx-test' },
    });
    expect(answer.status).to.equal(200);
    expect(JSON.stringify(answer.body)).to.contain('127.0.0.1');
    player.leave();
    await proxy.untilNoKeys();
    await engine.untilClean();
  });
});
