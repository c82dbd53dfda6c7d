import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { setStage, type Stage } from '../helpers/stage.js';
import { until } from '../helpers/until.js';

const run = promisify(execFile);
const CHANNEL = '00112233445566778899aabbccddeeff00112233';
const BASE = `ace_proxy:stream:${CHANNEL}`;

const METADATA = [
  ...['content_id', 'playback_url', 'stat_url', 'command_url', 'playback_session_id', 'state'],
  ...['owner', 'term', 'engine_id', 'engine_host', 'engine_port', 'engine_forwarded'],
  ...['state_changed_at', 'init_time', 'connection_ready_time', 'buffer_chunks', 'total_bytes'],
  ...['is_live', 'is_encrypted'],
];
const CLIENT = [
  ...['connected_at', 'last_active', 'bytes_sent', 'chunks_sent', 'avg_rate_KBps'],
  ...['current_rate_KBps', 'ip_address', 'user_agent', 'worker_id', 'stats_updated_at'],
];

interface Probe {
  readonly format: { readonly format_name: string };
  readonly streams: readonly { readonly codec_name?: string }[];
}

/** What `redis-cli --raw GET <key> | ffprobe -` says; rejects when ffprobe fails. */
async function probe(port: number, key: string): Promise<Probe> {
  const command = `redis-cli -p ${String(port)} --raw GET ${key} | ffprobe -v error -show_format -show_streams -of json -`;
  const { stdout } = await run('bash', ['-o', 'pipefail', '-c', command]);
  return JSON.parse(stdout) as Probe;
}

describe('The keys that operators read', () => {
  let stage: Stage;

  beforeEach(async () => {
    stage = await setStage({ engines: [{ source: 'picture' }] });
  });

  afterEach(() => stage.end());

  it('are all there with their types and a life while a stream plays', async () => {
    const { look } = stage.proxy;
    const player = stage.play(CHANNEL);
    await player.untilBytes(100_000);
    await until(
      'the stream is active',
      async () => (await look.hget(`${BASE}:metadata`, 'state')) === 'active',
    );
    const [client] = await look.smembers(`${BASE}:clients`);
    const head = Number(await look.get(`${BASE}:buffer:index`));
    const types = {
      [`${BASE}:metadata`]: 'hash',
      [`${BASE}:owner`]: 'string',
      [`${BASE}:term`]: 'string',
      [`${BASE}:buffer:index`]: 'string',
      [`${BASE}:buffer:chunk:${String(head)}`]: 'string',
      [`${BASE}:clients`]: 'set',
      [`${BASE}:clients:${String(client)}`]: 'hash',
      [`${BASE}:connection_attempt_time`]: 'string',
      [`${BASE}:last_data`]: 'string',
      [`${BASE}:activity`]: 'string',
    };
    for (const [key, type] of Object.entries(types)) {
      expect(await look.type(key), key).to.equal(type);
    }
    for (const key of await stage.proxy.keys(`${BASE}:*`)) {
      expect(await look.pttl(key), `life of ${key}`).to.be.greaterThan(0);
    }
    const metadata = await look.hgetall(`${BASE}:metadata`);
    expect(metadata).to.include.all.keys(METADATA);
    expect(metadata['content_id']).to.equal(CHANNEL);
    expect(metadata['engine_port']).to.equal(String(stage.engine.port));
    const owner = await look.get(`${BASE}:owner`);
    expect(owner).to.match(/^[^:]+:\d+:[0-9a-f]+$/);
    expect(metadata['owner']).to.equal(owner);
    expect(metadata['term']).to.equal(await look.get(`${BASE}:term`));
    expect(await look.get(`ace_proxy:worker:${String(owner)}:heartbeat`)).to.be.a('string');
  });

  it('tell of each client what its socket took', async () => {
    const { look } = stage.proxy;
    const head = `GET /ace/getstream?id=${CHANNEL} HTTP/1.1\r\nHost: x\r\nUser-Agent: TiviMate/5.0\r\n\r\n`;
    const player = stage.play(CHANNEL, { head });
    await player.untilBytes(100_000);
    const [client] = await look.smembers(`${BASE}:clients`);
    const key = `${BASE}:clients:${String(client)}`;
    await until(
      'a heartbeat has counted',
      async () => Number(await look.hget(key, 'bytes_sent')) > 0,
    );
    await player.untilMore(50_000);
    const record = await look.hgetall(key);
    expect(record).to.include.all.keys(CLIENT);
    expect(record['ip_address']).to.equal('127.0.0.1');
    expect(record['user_agent']).to.equal('TiviMate/5.0');
    expect(Number(record['chunks_sent'])).to.be.greaterThan(0);
    expect(Number(record['avg_rate_KBps'])).to.be.greaterThan(0);
    expect(Number(record['bytes_sent'])).to.be.at.most(player.bytes);
  });

  it('hold chunks that ffprobe can read as they are', async () => {
    const { look, redis } = stage.proxy;
    await stage.play(CHANNEL).untilBytes(250_000);
    const head = Number(await look.get(`${BASE}:buffer:index`));
    const numbers = [head, head - 1, head - 2, head - 3, head - 4].filter((index) => index > 0);
    expect(numbers).to.have.length.greaterThan(2);
    for (const index of numbers) {
      const key = `${BASE}:buffer:chunk:${String(index)}`;
      const bytes = await look.getBuffer(key);
      expect((bytes?.length ?? 1) % 188, `${key} holds whole packets`).to.equal(0);
      const { format, streams } = await probe(redis.port, key);
      expect(format.format_name, key).to.equal('mpegts');
      expect(streams.length, `streams of ${key}`).to.be.greaterThan(0);
    }
  });

  it('tell on their channel what happens to a stream', async () => {
    const { look, redis } = stage.proxy;
    const listener = new Redis(redis.url);
    const events: { type: string }[] = [];
    listener.on('message', (_channel, text) => events.push(JSON.parse(text) as { type: string }));
    await listener.subscribe(`ace_proxy:events:${CHANNEL}`);
    const seen = (type: string): Promise<unknown> =>
      until(`the event ${type}`, () => events.some((event) => event.type === type));
    try {
      const stays = stage.play(CHANNEL);
      await stays.untilBytes(100_000);
      await seen('stream_started');
      await seen('client_connected');
      const [first] = await look.smembers(`${BASE}:clients`);
      const kicked = stage.play(CHANNEL);
      await kicked.untilBytes(100_000);
      const members = await look.smembers(`${BASE}:clients`);
      const second = members.find((client) => client !== first);
      await stage.manage('DELETE', `/streams/${CHANNEL}/clients/${String(second)}`);
      await kicked.untilClosed();
      await seen('client_stop');
      await seen('client_disconnected');
      expect(stays.closed).to.equal(false);
      await stage.manage('DELETE', `/streams/${CHANNEL}`);
      await stays.untilClosed();
      await seen('stream_stop');
      await seen('stream_stopped');
    } finally {
      listener.disconnect();
    }
    await stage.proxy.untilNoKeys();
  });
});
