import cluster from 'node:cluster';
import { expect } from 'chai';
import { Supervisor } from '../../../src/primary/supervisor.js';
import type { SupervisorEvents } from '../../../src/primary/supervisor.js';
import { silentLogger } from '../../helpers/silent-logger.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { testSettings } from '../../helpers/settings.js';

const nothing = (): void => undefined;

describe('Supervisor', () => {
  const spawner = cluster as { fork: () => unknown };
  const { fork } = spawner;
  let clock: FakeClock;
  let supervisor: Supervisor;
  let forks: number;
  let hopeless: number;

  beforeEach(() => {
    clock = new FakeClock();
    forks = 0;
    hopeless = 0;
    // Where the system promises no memory that it has not got, Node throws this instead of emitting it.
    spawner.fork = () => {
      forks += 1;
      throw Object.assign(new Error('spawn ENOMEM'), { code: 'ENOMEM' });
    };
    const events: SupervisorEvents = {
      ...{ onServing: nothing, onConnection: nothing, onMetrics: nothing, onStream: nothing },
      ...{ onDead: nothing, onHopeless: () => (hopeless += 1) },
    };
    const reaper = { reap: () => Promise.resolve(), dropClients: () => Promise.resolve() };
    supervisor = new Supervisor({ program: '', reaper, events, clock, log: silentLogger });
  });
  afterEach(() => {
    supervisor.killAll();
    clock.restore();
    spawner.fork = fork;
  });

  it('tries again later when the system has no memory for a process', async () => {
    const inputs = {
      settings: testSettings({ workers: 1 }),
      ...{ apiKey: 'key', apiKeyConfigured: true },
    };
    supervisor.start(inputs);
    expect([forks, hopeless]).to.deep.equal([1, 0]);
    expect(await supervisor.replace(0, inputs, 1_000), 'a reload fails').to.equal(false);
    clock.tick(60_000);
    expect([forks, hopeless], 'and then it gives up as with workers that die').to.deep.equal([
      6, 1,
    ]);
  });
});
