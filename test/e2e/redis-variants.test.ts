import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { ProcessTree, type Exit } from '../helpers/process-tree.js';
import { makeCertificates } from '../helpers/redis-tls.js';
import { freePort, startRedis, type TestRedis } from '../helpers/redis-server.js';
import { runScript } from '../helpers/run-script.js';
import { setStage, type Stage } from '../helpers/stage.js';
import { until } from '../helpers/until.js';
import { expectWhole } from '../helpers/watching.js';

const PROGRAM = fileURLToPath(new URL('../../dist/primary/main.js', import.meta.url));
const CHANNEL = '5e115e115e115e115e115e115e115e115e115e11';

/** Two players on two workers, one of them fed through Redis, all bytes there; then nothing is left. */
async function playThrough(stage: Stage): Promise<void> {
  const players = [stage.play(CHANNEL), stage.play(CHANNEL)];
  await Promise.all(players.map((player) => player.untilBytes(400_000)));
  expectWhole(players);
  const { look } = stage.proxy;
  const clients = await look.smembers(`ace_proxy:stream:${CHANNEL}:clients`);
  const workers = await Promise.all(
    clients.map((client) =>
      look.hget(`ace_proxy:stream:${CHANNEL}:clients:${client}`, 'worker_id'),
    ),
  );
  expect(new Set(workers).size, 'workers with a player').to.equal(2);
  expect(stage.engine.witness.starts[CHANNEL]).to.equal(1);
  await stage.clear();
  expect(stage.engine.witness.stops[CHANNEL]).to.equal(1);
}

describe('Redis in its variants', () => {
  let server: TestRedis | null = null;
  let stage: Stage | null = null;

  const play = async (redisEnv: Record<string, string>, look: Redis): Promise<void> => {
    const redis = server ?? (await startRedis());
    stage = await setStage({ engines: [{ source: 'stamped' }], redis, redisEnv, look });
    await playThrough(stage);
  };

  afterEach(async () => {
    await stage?.end();
    await server?.stop();
    stage = null;
    server = null;
  });

  it('is used as an ACL user that may do what the documentation lists, and nothing else', async () => {
    server = await startRedis();
    const admin = new Redis(server.url);
    const documented = /ACL SETUSER acestream-proxy (.+)/.exec(
      readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8'),
    )?.[1];
    const rules = String(documented)
      .replace('PASSWORD', 'p@ss w/ord')
      .match(/>p@ss w\/ord|\S+/g);
    await admin.call('ACL', 'SETUSER', 'acestream-proxy', ...(rules ?? []));
    const url = `redis://acestream-proxy:${encodeURIComponent('p@ss w/ord')}@127.0.0.1:${server.port}`;
    await play({ REDIS_URL: url }, admin);
    const denied = (await admin.call('ACL', 'LOG')) as unknown[];
    expect(denied, 'what the user was not allowed to do').to.deep.equal([]);
  });

  it('is reached over a unix socket, with a password beside the address', async () => {
    const path = join(tmpdir(), `redis-${randomBytes(6).toString('hex')}.sock`);
    server = await startRedis({ args: ['--unixsocket', path, '--requirepass', 'secret'] });
    const env = { REDIS_URL: `unix://${path}`, REDIS_PASSWORD: 'secret' };
    await play(env, new Redis(server.port, { password: 'secret' }));
  });

  it('is reached over TLS, with an authority and a certificate of our own', async () => {
    const certificates = await makeCertificates();
    const { ca, cert, key } = certificates;
    try {
      const port = await freePort();
      const files = ['--tls-ca-cert-file', ca, '--tls-cert-file', cert, '--tls-key-file', key];
      server = await startRedis({ args: ['--port', '0', '--tls-port', String(port), ...files] });
      const url = `rediss://127.0.0.1:${String(port)}`;
      const env = { REDIS_URL: url, REDIS_TLS_CA: ca, REDIS_TLS_CERT: cert, REDIS_TLS_KEY: key };
      const [read, readKey] = [readFileSync(ca), readFileSync(key)];
      const tls = { ca: read, cert: readFileSync(cert), key: readKey };
      await play(env, new Redis(url, { tls }));
      const script = await runScript('streams.mjs', ['--json'], env);
      expect(script.stdout.trim(), script.stderr).to.equal('[]');
    } finally {
      await certificates.remove();
    }
  });

  /** What the proxy says before it ends with 78, as one text. */
  const refusal = async (url: string): Promise<string> => {
    const { PATH, HOME } = process.env;
    const env = { PATH, HOME, PROXY_PORT: '0', REDIS_URL: url };
    const tree = new ProcessTree({ argv: [PROGRAM], env });
    try {
      let end: Exit | null = null;
      void tree.exited.then((exit) => (end = exit));
      await until('it ends or serves', () => end ?? tree.find('listening on')[0]);
      expect(end).to.deep.equal({ code: 78, signal: null });
      return JSON.stringify(tree.lines);
    } finally {
      await tree.end();
    }
  };

  it('that refuses the proxy ends it with 78 and the name of the setting', async () => {
    server = await startRedis({ args: ['--requirepass', 'secret'] });
    const said = await refusal(`redis://:wrong@127.0.0.1:${server.port}`);
    expect(said).to.include('Redis does not know this user and password');
    expect(said).to.not.include('wrong@');
  });

  it('that has no such database ends it with 78, instead of another database being used', async () => {
    server = await startRedis({ args: ['--databases', '2'] });
    const said = await refusal(`redis://127.0.0.1:${server.port}/2`);
    expect(said).to.include('Redis has no such database: see REDIS_DB');
  });
});
