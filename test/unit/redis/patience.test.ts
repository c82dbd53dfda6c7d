import { expect } from 'chai';
import { AppError } from '../../../src/shared/errors.js';
import { toRedisError } from '../../../src/shared/redis/failures.js';
import { patiently, REDIS_PATIENCE_MS } from '../../../src/shared/redis/patience.js';
import { FakeClock } from '../../helpers/fake-clock.js';

const AWAY = new Error('Connection is closed.');

describe('patience with a Redis that is away', () => {
  let clock: FakeClock;
  let asked: number;
  beforeEach(() => {
    clock = new FakeClock();
    asked = 0;
  });

  afterEach(() => clock.restore());

  const failing = (times: number, error: Error) => (): Promise<string> => {
    asked++;
    return asked <= times ? Promise.reject(error) : Promise.resolve('an answer');
  };

  /** Lets the clock run until the promise is settled. */
  async function settled<T>(promise: Promise<T>): Promise<T> {
    const pending = new Set([promise]);
    const settle = (): void => pending.clear();
    promise.then(settle, settle);
    for (let steps = 0; pending.size > 0 && steps < 200; steps++) {
      await new Promise(setImmediate);
      clock.tick(50);
    }
    return promise;
  }

  async function rejection(promise: Promise<unknown>): Promise<unknown> {
    return settled(promise).then(
      () => expect.fail('it resolved'),
      (error: unknown) => error,
    );
  }

  it('asks again until Redis answers, also where the failure is worded for the player already', async () => {
    expect(await settled(patiently(clock, failing(3, AWAY)))).to.equal('an answer');
    expect(asked).to.equal(4);
    asked = 0;
    expect(await settled(patiently(clock, failing(3, toRedisError(AWAY))))).to.equal('an answer');
  });

  it('ends after two seconds with the failure', async () => {
    const begun = clock.monotonic();
    expect(await rejection(patiently(clock, failing(Infinity, AWAY)))).to.equal(AWAY);
    expect(clock.monotonic() - begun).to.be.within(REDIS_PATIENCE_MS, REDIS_PATIENCE_MS + 150);
  });

  it('does not repeat what Redis refuses, nor a defect', async () => {
    for (const error of [
      new Error('NOPERM no'),
      new TypeError('x'),
      new AppError('STREAM_LIMIT'),
    ]) {
      asked = 0;
      expect(await rejection(patiently(clock, failing(Infinity, error)))).to.equal(error);
      expect(asked).to.equal(1);
    }
  });

  it('ends with the player that it was for', async () => {
    const gone = new AbortController();
    const waiting = patiently(clock, failing(Infinity, AWAY), gone.signal);
    await new Promise(setImmediate);
    const left = new Error('the player left');
    gone.abort(left);
    expect(await rejection(waiting)).to.equal(left);
    expect(asked).to.equal(1);
  });
});
