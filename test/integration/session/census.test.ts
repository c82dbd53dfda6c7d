import { expect } from 'chai';
import type { StreamId } from '../../../src/shared/ids.js';
import { OwnerStore } from '../../../src/shared/redis/owner-store.js';
import { openRedisFixture, type RedisFixture } from '../../helpers/redis-fixture.js';
import { until } from '../../helpers/until.js';
import { startWorker, type KitWorker } from '../../helpers/worker-kit.js';
import { startEngine, type SimulatedEngine } from '../../simulator/engine.js';

const STREAM = 'ce05'.padEnd(40, '0') as StreamId;
const CAME = JSON.stringify({ type: 'client_connected', client: 'c'.repeat(24), clients: 1 });
/** ms: half of the time between two renewals that nothing hurries. */
const SOON_MS = 500;

describe('the census of an owner', () => {
  const renew = Object.getOwnPropertyDescriptor(OwnerStore.prototype, 'renew')!;
  let fixture: RedisFixture;
  let engine: SimulatedEngine;
  let worker: KitWorker;
  let renewals: number;
  beforeEach(async () => {
    renewals = 0;
    Object.defineProperty(OwnerStore.prototype, 'renew', {
      ...renew,
      value: function (this: OwnerStore, ...args: Parameters<OwnerStore['renew']>) {
        renewals += 1;
        return (renew.value as OwnerStore['renew']).apply(this, args);
      },
    });
    fixture = await openRedisFixture();
    engine = await startEngine({ prebufferMs: 0, startDelayMs: 5 });
    const settings = { graceMs: 10_000 };
    worker = await startWorker({ redis: fixture.settings, engines: [engine], settings });
  });
  afterEach(async () => {
    Object.defineProperty(OwnerStore.prototype, 'renew', renew);
    await worker.stop();
    await engine.stop();
    await fixture.close();
  });

  /** ms from the word that a viewer came elsewhere, said right after a renewal, to the next renewal. */
  async function renewedAfter(): Promise<number> {
    const before = renewals;
    await until('a renewal', () => renewals > before);
    const now = renewals;
    const saidAt = performance.now();
    await fixture.redis.publish(fixture.keys.stream(STREAM).events, CAME);
    await until('the next one', () => renewals > now);
    return performance.now() - saidAt;
  }

  it('is taken at once when a viewer comes to a stream that nobody watches, and else in its time', async () => {
    const { metadata } = fixture.keys.stream(STREAM);
    const player = worker.play(STREAM);
    await player.untilMedia();
    expect(await renewedAfter()).to.be.greaterThan(SOON_MS);
    player.leave();
    const state = async (): Promise<string | null> => fixture.redis.hget(metadata, 'state');
    await until('nobody watches', async () => (await state()) === 'waiting_for_clients');
    expect(await renewedAfter()).to.be.lessThan(SOON_MS);
  });
});
