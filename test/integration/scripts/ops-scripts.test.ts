import { expect } from 'chai';
import type { Redis } from 'ioredis';
import type { Keys } from '../../../src/shared/redis/keys.js';
import { freePort } from '../../helpers/redis-server.js';
import { openRedisFixture, type RedisFixture } from '../../helpers/redis-fixture.js';
import { runScript, type ScriptResult } from '../../helpers/run-script.js';
import {
  CLIENT,
  DEAD_WORKER,
  OTHER_CLIENT,
  OTHER_STREAM,
  seedClient,
  seedHeartbeat,
  seedStream,
  STREAM,
  WORKER,
} from '../../helpers/seed-stream.js';
import { until } from '../../helpers/until.js';

const SCRIPTS = ['streams', 'stream', 'stop-stream', 'kick-client', 'orphans'];

describe("the operators' scripts", () => {
  // Each run starts a Node process that compiles the sources.

  let fixture: RedisFixture;
  let redis: Redis;
  let keys: Keys;

  before(async () => {
    fixture = await openRedisFixture();
    ({ redis, keys } = fixture);
  });
  after(() => fixture.close());
  beforeEach(async () => {
    await redis.flushall();
    await seedStream(redis, keys);
    await seedClient(redis, keys);
    await seedHeartbeat(redis, keys, WORKER);
  });

  const run = (name: string, ...args: string[]): Promise<ScriptResult> =>
    runScript(`${name}.mjs`, [...args, '--redis', fixture.server.url]);
  const json = (result: ScriptResult): unknown => JSON.parse(result.stdout);
  const keysOfStream = async (): Promise<string[]> =>
    (await redis.keys('*')).filter((key) => keys.streamOf(key) === STREAM);

  it('list the streams with owner, head, clients and bitrate', async () => {
    const text = await run('streams');
    expect(text.code).to.equal(0);
    const [headings, row, ...rest] = text.stdout.trim().split('\n');
    expect(headings).to.match(/^stream +state +clients +head +bitrate +engine +owner$/);
    expect(row?.split(/ {2,}/)).to.deep.equal([
      STREAM,
      'active',
      '1',
      '12',
      '4.00 Mbit/s',
      'engine-1',
      WORKER,
    ]);
    expect(rest).to.be.empty;
    const [view] = json(await run('streams', '--json')) as object[];
    expect(view).to.include({ key: STREAM, head: 12, clients: 1, owner: WORKER });
    expect((await run('streams', '--status', 'ended')).code).to.equal(1);
  });

  it('find their Redis by the variables of the proxy', async () => {
    const { port } = fixture.server;
    const byUrl = await runScript('streams.mjs', [], { REDIS_URL: fixture.server.url });
    const env = { REDIS_HOST: '127.0.0.1', REDIS_PORT: String(port) };
    const byPort = await runScript('streams.mjs', [], env);
    expect([byUrl.code, byPort.code]).to.deep.equal([0, 0]);
  });

  it('show one stream with its ring and its clients', async () => {
    const { code, stdout } = await run('stream', STREAM);
    expect(code).to.equal(0);
    expect(stdout).to.match(/ring +chunks 11 to 12, 564 bytes, 2\.5 s/);
    expect(stdout).to.include('192.0.2.1').and.include('VLC/3.0');
    const detail = json(await run('stream', STREAM, '--json'));
    expect(detail).to.have.nested.property('ring.head', 12);
    expect(detail).to.have.nested.property('clients[0].id', CLIENT);
    expect((await run('stream', OTHER_STREAM)).code).to.equal(1);
  });

  it('ask a client to leave', async () => {
    expect((await run('kick-client', STREAM, CLIENT)).code).to.equal(0);
    expect(await redis.get(keys.stream(STREAM).clientStop(CLIENT))).to.equal('operator');
    expect((await run('kick-client', STREAM, OTHER_CLIENT)).code).to.equal(1);
    expect((await run('kick-client', STREAM, 'x')).code).to.equal(2);
  });

  it('ask the owner to stop, and see that it did', async () => {
    const stopping = run('stop-stream', STREAM);
    await until('the request', () => redis.get(keys.stream(STREAM).stopRequest));
    await redis.del(...(await keysOfStream()));
    const { code, stdout } = await stopping;
    expect({ code, stdout }).to.deep.equal({ code: 0, stdout: 'stopped\n' });
  });

  it('say so when the owner does not obey', async () => {
    const { code, stdout } = await run('stop-stream', STREAM, '--wait', '0', '--json');
    expect(code).to.equal(1);
    expect(JSON.parse(stdout)).to.deep.equal({ key: STREAM, stopped: false });
    expect(await redis.exists(keys.stream(STREAM).metadata)).to.equal(1);
  });

  it('remove a stream themselves that nobody owns and nobody who lives watches', async () => {
    await redis.del(keys.stream(STREAM).owner, keys.heartbeat(WORKER));
    expect((await run('stop-stream', STREAM)).code).to.equal(0);
    expect(await keysOfStream()).to.deep.equal([]);
    expect(await redis.exists(keys.streams)).to.equal(0);
    expect((await run('stop-stream', STREAM)).code).to.equal(1);
  });

  it('find orphans, and remove them only when told to', async () => {
    expect((await run('orphans')).code).to.equal(1);
    await seedStream(redis, keys, OTHER_STREAM, { owner: null });
    await seedClient(redis, keys, OTHER_CLIENT, { worker: DEAD_WORKER });
    const found = await run('orphans');
    expect(found.code).to.equal(0);
    expect(found.stdout).to.include(`stream ${OTHER_STREAM}`).and.include(OTHER_CLIENT);
    expect(await redis.exists(keys.stream(OTHER_STREAM).metadata)).to.equal(1);
    const cleaned = json(await run('orphans', '--clean', '--json'));
    expect(cleaned).to.have.nested.property('cleaned.streams', 1);
    expect(cleaned).to.have.nested.property('cleaned.clients', 1);
    expect(await redis.smembers(keys.streams)).to.deep.equal([STREAM]);
    expect((await run('orphans')).code).to.equal(1);
  });

  it('explain themselves and their exit codes without a Redis', async () => {
    for (const name of SCRIPTS) {
      const { code, stdout } = await runScript(`${name}.mjs`, ['--help']);
      expect(code, name).to.equal(0);
      expect(stdout).to.include(`scripts/${name}.mjs`).and.include('Exit codes: 0');
    }
  });

  it('refuse a wrong use with 2 before anything is asked', async () => {
    const wrong = [
      await run('stream'),
      await run('stream', 'xyz'),
      await run('streams', 'surplus'),
      await run('streams', '--status', 'running'),
      await run('streams', '--unknown'),
      await run('stop-stream', STREAM, '--wait', 'long'),
      await runScript('streams.mjs', ['--redis', 'http://127.0.0.1']),
    ];
    for (const { code, stdout, stderr } of wrong) {
      expect(code, stderr).to.equal(2);
      expect(stderr).to.not.be.empty;
      expect(stdout).to.be.empty;
    }
  });

  it('say with 3 that Redis cannot be reached, and do not hang', async () => {
    const url = `redis://127.0.0.1:${String(await freePort())}`;
    const { code, stderr } = await runScript('streams.mjs', ['--redis', url]);
    expect(code).to.equal(3);
    expect(stderr).to.include('Redis cannot be reached').and.include('ECONNREFUSED');
  });

  it('say with 3 that Redis is frozen, and do not hang', async () => {
    process.kill(fixture.server.pid, 'SIGSTOP');
    try {
      expect((await run('streams')).code).to.equal(3);
    } finally {
      process.kill(fixture.server.pid, 'SIGCONT');
    }
  });
});
