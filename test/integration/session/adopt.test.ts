import { Socket } from 'node:net';
import { expect } from 'chai';
import type { ClientId, StreamId } from '../../../src/shared/ids.js';
import { openRedisFixture, type RedisFixture } from '../../helpers/redis-fixture.js';
import { until } from '../../helpers/until.js';
import { startWorkers, type KitWorker } from '../../helpers/worker-kit.js';
import { startEngine, type SimulatedEngine } from '../../simulator/engine.js';

const STREAM = 'ad09'.repeat(10) as StreamId;

function closedSocket(): Socket {
  return new Socket().destroy();
}

describe('a client that leaves on its way to another worker', () => {
  let fixture: RedisFixture;
  let engine: SimulatedEngine;
  let workers: KitWorker[];
  beforeEach(async () => {
    fixture = await openRedisFixture();
    engine = await startEngine({ prebufferMs: 0, startDelayMs: 5 });
    workers = await startWorkers(2, { redis: fixture.settings, engines: [engine] });
  });
  afterEach(async () => {
    await Promise.all(workers.map((worker) => worker.stop()));
    await engine.stop();
    await fixture.close();
  });

  for (const [how, socket] of [
    ['before the channel brought it', () => null],
    ['before it was registered there', closedSocket],
  ] as const) {
    it(`${how} leaves no lease behind`, async () => {
      const [from, to] = workers as [KitWorker, KitWorker];
      const player = from.play(STREAM);
      await player.untilMedia();
      const { clients } = fixture.keys.stream(STREAM);
      const [client] = (await fixture.redis.smembers(clients)) as ClientId[];
      const record = { client: client!, ip: '', userAgent: '', connectedAt: 1, user: null };
      const sent = { bytesSent: 188, chunksSent: 1, position: null };
      const session = { ...record, ...sent, stream: STREAM, keyType: 'id' } as const;
      await to.parts.registry.adopt(session, socket(), false);
      await until('it is gone', async () => !(await fixture.redis.sismember(clients, client!)));
      await until('nothing is left there', () => to.parts.registry.streamCount === 0);
      expect(to.parts.registry.clientCount).to.equal(0);
    });
  }
});
