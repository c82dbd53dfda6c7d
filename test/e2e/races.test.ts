import { expect } from 'chai';
import { CrashLab } from '../races/crashes.js';
import { zap } from '../races/zapping.js';

/** The short form of `npm run races`; the races of workers in one process are in `lives.test.ts`. */
describe('Races on the real process tree', () => {
  it('twenty zaps a second leave no engine session, no key and no slot behind', async () => {
    const { faults, sessionsStarted, sessionsStopped } = await zap(2);
    expect(faults).to.deep.equal([]);
    expect(sessionsStopped).to.equal(sessionsStarted);
  });

  it('a worker that dies at any step of a start blocks nobody and leaves nothing behind', async () => {
    const lab = await CrashLab.open();
    try {
      const steps = await lab.steps();
      // Every kind of step once; the program kills at each, before and after it.
      const places = ['joinStream', 'acquireOwner', 'reserveEngine', 'engine /ace/getstream'];
      for (const [n, name] of places.entries()) {
        const when = n % 2 === 0 ? 'after' : 'before';
        const { step, faults } = await lab.crash(steps.indexOf(name), when);
        expect(faults, step).to.deep.equal([]);
      }
    } finally {
      await lab.close();
    }
  });

  it('a connection to Redis that is cut at any step of a start costs its player no refusal', async () => {
    const lab = await CrashLab.open();
    try {
      const steps = (await lab.steps()).filter((name) => !name.startsWith('engine'));
      // The program cuts it at each, before and after it.
      const places = ['joinStream', 'acquireOwner', 'writeMetadata', 'reserveEngine'];
      for (const [n, name] of places.entries()) {
        const { step, faults } = await lab.cut(
          steps.indexOf(name),
          n % 2 === 0 ? 'before' : 'after',
        );
        expect(faults, step).to.deep.equal([]);
      }
    } finally {
      await lab.close();
    }
  });
});
