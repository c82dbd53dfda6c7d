import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import type { StreamId } from '../../../src/shared/ids.js';
import type { MovableReader } from '../../../src/worker/contracts.js';
import { openRedisFixture, type RedisFixture } from '../../helpers/redis-fixture.js';
import { openRelay, type RedisRelay } from '../../helpers/redis-relay.js';
import { makeStores, win, type WorkerStores } from '../../helpers/scripted-redis.js';
import { until } from '../../helpers/until.js';
import { startWorker, type KitWorker } from '../../helpers/worker-kit.js';
import { startEngine, type SimulatedEngine } from '../../simulator/engine.js';

let channels = 0;
const nextChannel = (): StreamId => (++channels).toString(16).padStart(40, 'e') as StreamId;

/** An engine's connection that somebody handed over; tells whether it was closed. */
class LostReader implements MovableReader {
  closed = false;
  start(): void {
    return;
  }
  release(): null {
    return null;
  }
  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
}

describe('two faults at once', () => {
  let fixture: RedisFixture;
  let relay: RedisRelay;
  let engines: SimulatedEngine[];
  let worker: KitWorker;
  let other: WorkerStores;
  beforeEach(async () => {
    fixture = await openRedisFixture();
    relay = await openRelay(fixture.server.port);
    engines = [];
    for (let n = 0; n < 2; n++) {
      engines.push(await startEngine({ prebufferMs: 0, startDelayMs: 5, gop: 0.2 }));
    }
    const through = { ...fixture.settings, url: `redis://127.0.0.1:${String(relay.port)}` };
    worker = await startWorker({ redis: through, engines, settings: { initTimeoutMs: 6_000 } });
    other = makeStores(fixture.redis, fixture.keys, 'other');
  });
  afterEach(async () => {
    relay.thaw();
    await worker.stop();
    relay.close();
    for (const engine of engines) await engine.stop();
    await fixture.close();
  });

  const plays = (): SimulatedEngine | undefined => engines.find(({ feeds }) => feeds.size > 0);

  for (const [which, stallAfterBytes] of [
    ['a stream', 0],
    // Its only chunk is cut by time: no later read tells that media flows.
    ['a stream that has had one chunk', 188 * 500],
  ] as const) {
    it(`do not end ${which} whose engine dies while Redis is away`, async () => {
      for (const engine of engines) engine.set({ stallAfterBytes });
      const player = worker.play(nextChannel());
      await player.untilMedia();
      relay.freeze();
      const serving = plays();
      for (const engine of engines) engine.set({ stallAfterBytes: 0 });
      await serving?.kill();
      await delay(4_000);
      expect(player.closed, 'closed while Redis is away').to.equal(false);
      relay.thaw();
      await player.untilMedia(188 * 100, 30_000);
      player.leave();
    });
  }

  it('leave no connection to the engine open when a stream cannot be taken over', async () => {
    const stream = nextChannel();
    const reader = new LostReader();
    const own = await win(other, stream);
    await other.owners.transfer(own, worker.id, { rest: Buffer.alloc(0), tables: '' });
    const kind = fixture.keys.kind(stream);
    await fixture.redis.lpush(kind, 'not a string');
    await worker.parts.registry.take(stream, reader);
    await until('the connection is closed', () => reader.closed);
    const lock = fixture.keys.stream(stream).owner;
    await until('the lock is free', async () => (await fixture.redis.get(lock)) === null);
  });

  it('do not leave a stream behind that comes to a worker in the moment of its shutdown', async () => {
    const stream = nextChannel();
    const own = await win(other, stream);
    await other.owners.announce(stream, 1);
    const player = worker.play(stream);
    await until('the worker follows', () => worker.parts.registry.serves(stream));
    await until('it follows', async () => {
      const channel = fixture.keys.stream(stream).notices;
      const [, count] = (await fixture.redis.pubsub('NUMSUB', channel)) as [string, number];
      return count > 0;
    });
    const reader = new LostReader();
    await other.owners.transfer(own, worker.id, { rest: Buffer.alloc(0), tables: '' });
    const { registry } = worker.parts;
    await registry.take(stream, reader).then(() => registry.shutdown());
    expect(await fixture.redis.keys(`ace_proxy:stream:${stream}*`)).to.deep.equal([]);
    expect(reader.closed).to.equal(true);
    player.leave();
  });
});
