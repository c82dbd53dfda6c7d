import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { expect } from 'chai';
import { newClientId, type StreamId } from '../../../src/shared/ids.js';
import { LoneWorker } from '../../helpers/lone-worker.js';
import { openRedisFixture, type RedisFixture } from '../../helpers/redis-fixture.js';
import { openRelay, type RedisRelay } from '../../helpers/redis-relay.js';
import { redisSettings } from '../../helpers/redis-settings.js';
import { until } from '../../helpers/until.js';
import { kitSettings } from '../../helpers/worker-kit.js';
import { startEngine, type SimulatedEngine } from '../../simulator/engine.js';

const STREAM = '1a7e'.repeat(10) as StreamId;
const CONNECTION = 7;
const DRAIN_MS = 10_000;

const ORDERS = [
  ['right before', ['adopt', 'drain']],
  ['right after', ['drain', 'adopt']],
] as const;

/** Spec 3.8: in a reload the same TCP connections go on, whichever worker they were on their way to. */
describe('a client that another worker hands over', () => {
  let fixture: RedisFixture;
  let engine: SimulatedEngine;
  let listener: Server;
  let player: Socket;
  /** The primary's end of the player's connection. */
  let held: Socket;
  /** The way to Redis of the worker that ends. */
  let relay: RedisRelay;
  let ending: LoneWorker;
  let sibling: LoneWorker;
  let closed: boolean;

  beforeEach(async () => {
    fixture = await openRedisFixture();
    engine = await startEngine({ prebufferMs: 0, startDelayMs: 5 });
    const { server, settings: redis } = fixture;
    relay = await openRelay(server.port);
    const far = redisSettings({ url: `redis://127.0.0.1:${String(relay.port)}`, port: relay.port });
    [ending, sibling] = (await Promise.all(
      [far, redis].map((each) => LoneWorker.start(kitSettings({ redis: each, engines: [engine] }))),
    )) as [LoneWorker, LoneWorker];
    listener = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
    await once(listener, 'listening');
    player = connect((listener.address() as AddressInfo).port, '127.0.0.1');
    closed = false;
    player.resume().on('close', () => (closed = true));
    [held] = (await once(listener, 'connection')) as [Socket];
  });
  afterEach(async () => {
    player.destroy();
    held.destroy();
    listener.close();
    await Promise.all([ending.end(), sibling.end()]);
    relay.close();
    await engine.stop();
    await fixture.close();
  });

  for (const [when, order] of ORDERS) {
    it(`to a worker ${when} its drain begins goes on at a sibling, on the same connection`, async () => {
      const identity = { client: newClientId(), ip: '127.0.0.1', userAgent: '', connectedAt: 1 };
      const position = { term: 1, index: 1, offset: 0 };
      const sent = { bytesSent: 188, chunksSent: 1, position };
      const session = { ...identity, ...sent, stream: STREAM, keyType: 'id' } as const;
      const adopt = { type: 'adopt', connection: CONNECTION, session, torn: false } as const;
      const drain = { type: 'drain', handover: true, deadlineMs: DRAIN_MS } as const;
      relay.freeze();
      for (const type of order) {
        if (type === 'adopt') ending.send(adopt, held);
        else ending.send(drain);
      }
      ending.send({ type: 'metrics-collect', request: 1 });
      // Whatever was sent before has been heard too, and Redis has not answered.
      await ending.heard('metrics');
      relay.thaw();
      const back = await ending.heard('handover');
      expect(back).to.deep.equal({ type: 'handover', connection: CONNECTION, session });
      sibling.send({ ...adopt, session: back.session }, held);
      await until('there is media', () => player.bytesRead > 100_000);
      expect(await ending.exited()).to.equal(0);
      expect(closed).to.equal(false);
      player.destroy();
      await until('no key is left', async () => {
        return (await fixture.redis.keys('ace_proxy:stream:*')).length === 0;
      });
      await engine.untilClean();
    });
  }
});
