import { expect } from 'chai';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { systemClock } from '../../../src/shared/clock.js';
import type { WorkerId } from '../../../src/shared/ids.js';
import { silentLogger } from '../../helpers/silent-logger.js';
import type { EngineHealth } from '../../../src/shared/redis/engine-records.js';
import { EngineKeeper } from '../../../src/worker/engine/engine-keeper.js';
import { PROBE_TIMEOUT_MS } from '../../../src/worker/engine/probe.js';
import { startEngine, type SimulatedEngine } from '../../simulator/engine.js';
import { until } from '../../helpers/until.js';
import { keys, openStore, record, type StoreFixture } from './redis-fixture.js';

describe('the keeper of the engines', () => {
  let fixture: StoreFixture;
  let engine: SimulatedEngine;
  let keepers: EngineKeeper[];
  before(async () => {
    fixture = await openStore();
  });
  after(() => fixture.close());
  beforeEach(async () => {
    keepers = [];
    await fixture.redis.flushall();
    engine = await startEngine({ version: '3.2.3' });
  });
  afterEach(async () => {
    await Promise.all(keepers.map((keeper) => keeper.stop()));
    await engine.stop();
    expect(engine.witness.openSockets).to.equal(0);
  });

  const keep = (worker: string, orchestratorUrl: string | null = null): EngineKeeper => {
    const keeper = new EngineKeeper({
      store: fixture.store,
      log: silentLogger,
      worker: worker as WorkerId,
      orchestratorUrl,
    });
    keepers.push(keeper);
    keeper.start();
    return keeper;
  };
  const register = (): Promise<unknown> =>
    fixture.store.sync('test', [record('e', { host: engine.host, port: engine.port })]);
  const health = async (): Promise<EngineHealth | null> =>
    (await fixture.store.readHealth('e')).health;

  it('probes a new engine at once and learns its version', async () => {
    await register();
    keep('w1');
    const known = await until('the probe', health);
    expect(known).to.include({ healthy: true, version: '3.2.3', failures: 0 });
    expect(known.nextProbeAt - known.checkedAt).to.equal(30_000);
  });

  it('looks at unhealthy engines also after the clock was set back', async () => {
    let behindMs = 0;
    let looks = 0;
    const keeper = new EngineKeeper({
      store: Object.assign(Object.create(fixture.store) as typeof fixture.store, {
        list: () => Promise.resolve(((looks += 1), [])),
      }),
      clock: { ...systemClock, now: () => Date.now() - behindMs },
      ...{ log: silentLogger, worker: 'w' as WorkerId, orchestratorUrl: null },
    });
    keepers.push(keeper);
    await keeper.probeUnhealthy();
    behindMs = 3_600_000;
    await until('another look', async () => {
      await keeper.probeUnhealthy();
      return looks === 2;
    });
  });

  it('finds out by itself that an engine is down, and that it is back', async () => {
    await engine.kill();
    await register();
    keep('w1');
    await until('the engine is unfit', async () => (await health())?.healthy === false);
    expect((await health())?.lastError).to.contain('refused');
    await engine.revive();
    await until('the engine is fit', async () => (await health())?.healthy === true);
  });

  it('is one of all workers, and another one when it is gone', async () => {
    await register();
    const first = keep('w1');
    await until('a keeper', () => fixture.redis.get(keys.keeper));
    keep('w2');
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(await fixture.redis.get(keys.keeper)).to.equal('w1');
    expect(engine.witness.connections).to.equal(1);
    await first.stop();
    await until(
      'the other one',
      async () => (await fixture.redis.get(keys.keeper)) === 'w2',
      2_000,
    );
  });

  it('stops in the middle of a probe that hangs', async () => {
    engine.set({ versionMode: 'hang' });
    await register();
    const keeper = keep('w1');
    await until('the probe', () => engine.witness.connections === 1);
    const begin = Date.now();
    await keeper.stop();
    expect(Date.now() - begin).to.be.below(PROBE_TIMEOUT_MS / 2);
    expect(await health()).to.be.null;
    await until('nothing is left open', () => engine.witness.openSockets === 0);
  });

  it('keeps the registry equal to the orchestrator, and as it is while that fails', async () => {
    const answer = {
      status: 200,
      body: JSON.stringify([
        { container_id: 'c1', container_name: 'one', host: engine.host, port: engine.port },
        { container_id: 'c2', container_name: 'two', host: 'h', port: 1, draining: true },
      ]),
    };
    const { server, url } = await startOrchestrator(answer);
    try {
      await fixture.store.sync('test', [record('mine', { draining: true })]);
      keep('w1', url);
      const list = async (): Promise<string> =>
        (await fixture.store.list()).map(({ record: { id } }) => id).join();
      await until('the engines', async () => (await list()) === 'mine,one,two');
      const two = (await fixture.store.list()).find(({ record: { id } }) => id === 'two');
      expect(two?.record).to.include({ withheld: true, containerId: 'c2', source: 'orchestrator' });
      answer.status = 500;
      await new Promise((resolve) => setTimeout(resolve, 5_600));
      expect(await list()).to.equal('mine,one,two');
      answer.status = 200;
      answer.body = '[]';
      await until('they are gone', async () => (await list()) === 'mine', 7_000);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});

async function startOrchestrator(answer: {
  status: number;
  body: string;
}): Promise<{ server: Server; url: string }> {
  const server = createServer((request, response) => {
    response.statusCode = request.url === '/base/api/v1/engines' ? answer.status : 404;
    response.end(answer.body);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { server, url: `http://127.0.0.1:${String(port)}/base` };
}
