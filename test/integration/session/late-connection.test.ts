import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import type { StreamId } from '../../../src/shared/ids.js';
import { adoptPlayback } from '../../../src/worker/engine/open-playback.js';
import { openRedisFixture, type RedisFixture } from '../../helpers/redis-fixture.js';
import { startWorker, type KitPlayer, type KitWorker } from '../../helpers/worker-kit.js';
import { until } from '../../helpers/until.js';
import { startEngine, type SimulatedEngine } from '../../simulator/engine.js';

const STREAM = 'c'.repeat(40) as StreamId;
/** ms by which the engine's connection comes later than a client that wins the lock. */
const LATE_MS = 150;

/** Spec 3.8: owners hand their stream over with the connection, whichever of the two comes first. */
describe('a hand-over whose clients come before the connection of the engine', () => {
  let fixture: RedisFixture;
  let engine: SimulatedEngine;
  let next: KitWorker;
  let late: KitPlayer | null = null;

  before(async () => {
    fixture = await openRedisFixture();
    engine = await startEngine({ prebufferMs: 0, startDelayMs: 5, gop: 2 });
  });
  after(async () => {
    late?.leave();
    await next.stop();
    await engine.untilClean();
    await engine.stop();
    await fixture.close();
  });

  it('goes on with that connection and opens none of its own', async () => {
    const redis = fixture.settings;
    next = await startWorker({ redis, engines: [engine] });
    const give = async (
      stream: StreamId,
      _: number,
      __: unknown,
      socket: Socket,
    ): Promise<void> => {
      late = next.play(stream);
      await until('the client has won the lock', async () => {
        const owner = await fixture.redis.hget(`ace_proxy:stream:${stream}:metadata`, 'owner');
        return owner === next.id;
      });
      await delay(LATE_MS);
      const reader = adoptPlayback(socket, { readBytes: 8_192, stallTimeoutMs: 1_000 });
      await next.parts.registry.take(stream, reader);
    };
    const mover = { target: () => Promise.resolve(next.id), give };
    const first = await startWorker({ redis, engines: [engine], mover });
    await first.play(STREAM).untilMedia(200_000);
    await first.parts.registry.handOver((session, client) => {
      session.clients.release(client.identity, true);
      client.socket.destroy();
      return Promise.resolve();
    });
    await first.stop();
    await until('the next one has a player', () => late);
    await late!.untilMedia(400_000);
    expect(next.owns(STREAM)).to.equal(true);
    expect(engine.witness.sessions).to.have.length(1);
    expect(engine.witness.maxReadersPerSession).to.equal(1);
    expect(engine.witness.violations).to.deep.equal([]);
  });
});
