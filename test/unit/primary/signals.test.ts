import { EventEmitter } from 'node:events';

import { expect } from 'chai';

import { runDrain } from '../../../src/primary/drain.js';
import { reapWorker } from '../../../src/primary/reaper.js';
import { watchSignals } from '../../../src/primary/signals.js';
import type { WorkerId } from '../../../src/shared/ids.js';
import type { Logger } from '../../../src/shared/log/logger.js';
import { silentLogger } from '../../helpers/silent-logger.js';
import { FakeClock } from '../../helpers/fake-clock.js';

/** A logger that keeps its warnings and errors. */
function listening(): { log: Logger; said: string[] } {
  const said: string[] = [];
  const say = (message: string): void => void said.push(message);
  return { log: { ...silentLogger, error: say, warn: say }, said };
}

describe('the end of the primary', () => {
  let clock: FakeClock;
  beforeEach(() => (clock = new FakeClock()));
  afterEach(() => clock.restore());

  it('stops by the first signal, and at once by a later one, whichever of the two', () => {
    const source = new EventEmitter();
    const calls: string[] = [];
    const unwatch = watchSignals(source, clock, {
      onStop: (signal) => calls.push(`stop ${signal}`),
      onForce: (signal) => calls.push(`force ${signal}`),
      onReload: () => calls.push('reload'),
    });
    source.emit('SIGHUP');
    source.emit('SIGINT');
    clock.tick(500);
    // The same Ctrl-C, passed on by npm.
    source.emit('SIGINT');
    clock.tick(1);
    source.emit('SIGTERM');
    expect(calls).to.deep.equal(['reload', 'stop SIGINT', 'force SIGTERM']);
    unwatch();
    expect(source.eventNames()).to.deep.equal([]);
  });

  it('goes on with the next step when one fails or takes too long', async () => {
    const { log, said } = listening();
    const done: string[] = [];
    const step = (name: string, run: () => Promise<void> | void) => ({ name, deadlineMs: 10, run });
    const steps = [
      step('fails', () => Promise.reject(new Error('no'))),
      step('hangs', () => new Promise(() => undefined)),
      step('last', () => void done.push('last')),
    ];
    const drained = runDrain(steps, log);
    await new Promise(setImmediate);
    clock.tick(10);
    await drained;
    expect(done).to.deep.equal(['last']);
    expect(said).to.have.length(2);
  });

  it('does not wait for a Redis that does not answer to free what a dead worker held', async () => {
    const { log, said } = listening();
    const reaper = {
      reap: () => new Promise<void>(() => undefined),
      dropClients: () => Promise.resolve(),
    };
    const reaped = reapWorker(reaper, 'w' as WorkerId, [], log);
    clock.tick(2_000);
    await reaped;
    expect(said).to.have.length(1);
  });
});
