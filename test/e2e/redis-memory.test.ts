import { expect } from 'chai';
import { Player } from '../helpers/player.js';
import { startProxy, type Proxy } from '../helpers/proxy.js';
import { startRedis, type TestRedis } from '../helpers/redis-server.js';
import { until } from '../helpers/until.js';
import { startEngine, type SimulatedEngine } from '../simulator/engine.js';

const MIB = 1_048_576;
const MAX_MEMORY = 32 * MIB;
const RING = 4 * MIB;
const BITRATE = 16_000_000;
const SECOND = BITRATE / 8;
const id = (n: number): string => String(n).padStart(40, 'a');

describe('A Redis that is too small for all streams', () => {
  let engine: SimulatedEngine;
  let redis: TestRedis;
  let proxy: Proxy;
  const players = new Map<string, Player>();

  before(async () => {
    engine = await startEngine({ source: 'stamped', bitrate: BITRATE, gop: 0.5, prebufferMs: 50 });
    const limits = ['--maxmemory', String(MAX_MEMORY), '--maxmemory-policy', 'allkeys-lru'];
    redis = await startRedis({ args: limits });
    const env = {
      PROXY_BUFFER_MAX_BYTES: String(RING),
      PROXY_BUFFER_CHUNK_SIZE: '262072',
      PROXY_MAX_STREAMS_PER_ENGINE: '50',
    };
    proxy = await startProxy({ redis, engines: [engine], workers: 2, env });
  });

  after(async () => {
    expect(await proxy.stop(), 'exit code').to.equal(0);
    await redis.stop();
    await engine.stop();
  });

  function play(content: string): Player {
    const player = new Player(proxy.media(content));
    players.set(content, player);
    return player;
  }

  /** The status of a new stream's first player. */
  async function start(content: string): Promise<number> {
    const player = play(content);
    await until('an answer', () => player.status !== null);
    return player.status ?? 0;
  }

  it('is warned of at the start when it may evict locks', async () => {
    const line = await proxy.tree.line('Redis may evict locks and chunks');
    expect(line).to.include({ level: 'warn', policy: 'allkeys-lru' });
    await proxy.look.config('SET', 'maxmemory-policy', 'noeviction');
  });

  it('takes as many streams as it has room for, and refuses the next with a code', async () => {
    let running = 0;
    while ((await start(id(running))) === 200) running++;
    expect(running, 'streams that fit').to.be.within(3, 6);
    const answer = await fetch(proxy.media(id(99)));
    expect(answer.status).to.equal(503);
    expect(answer.headers.get('retry-after')).to.match(/^\d+$/);
    const { error } = (await answer.json()) as { error: Record<string, unknown> };
    expect(error).to.include({ code: 'REDIS_FULL' });
    expect(error['needed']).to.be.greaterThan(error['free'] as number);
    await until('the refused stream left no key', async () => {
      return (await proxy.keys(`ace_proxy:stream:${id(99)}*`)).length === 0;
    });
  });

  it('is not filled by the streams that run, and they go on', async () => {
    const running = [...players].filter(([, { status }]) => status === 200);
    // Twice what a ring holds.
    await Promise.all(running.map(([, player]) => player.untilBytes((RING + SECOND) * 2)));
    const info = await proxy.look.info('memory');
    expect(Number(/used_memory:(\d+)/.exec(info)?.[1])).to.be.lessThan(MAX_MEMORY);
    expect(proxy.tree.find('the ring is fed from memory only')).to.deep.equal([]);
    for (const [, player] of running) {
      expect(player.closed).to.equal(false);
      expect(player.report()).to.include({ lost: 0, marked: 0 });
    }
  });

  it('takes another stream when one has ended', async () => {
    players.get(id(0))?.leave();
    await until('its keys are gone', async () => {
      return (await proxy.keys(`ace_proxy:stream:${id(0)}*`)).length === 0;
    });
    expect(await start(id(77))).to.equal(200);
    for (const player of players.values()) player.leave();
    await proxy.untilNoKeys();
    // Given back right after the keys are gone.
    await until('no memory is reserved any more', async () => {
      return (await proxy.keys('ace_proxy:admitted:*')).length === 0;
    });
    await engine.untilClean();
  });
});
