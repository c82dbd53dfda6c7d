import { expect } from 'chai';

import type { Clock } from '../../../src/shared/clock.js';
import type { LogFields, Logger } from '../../../src/shared/log/logger.js';
import { RateLimitedReporter } from '../../../src/shared/log/rate-limited.js';
import { silentLogger } from '../../../src/shared/log/silent-logger.js';

/** Real timers that never fire by themselves: `tick` does what they would. */
class HeldClock implements Clock {
  #now = 0;
  readonly #armed = new Map<NodeJS.Timeout, { at: number; callback: () => void }>();

  now = (): number => this.#now;
  monotonic = (): number => this.#now;

  setTimeout(callback: () => void, ms: number): NodeJS.Timeout {
    const timer = setTimeout(() => undefined, 2 ** 30);
    this.#armed.set(timer, { at: this.#now + ms, callback });
    return timer;
  }

  setInterval(): NodeJS.Timeout {
    throw new Error('not used');
  }

  get armed(): number {
    return [...this.#armed.keys()].filter((timer) => !isCleared(timer)).length;
  }

  tick(ms: number): void {
    this.#now += ms;
    for (const [timer, { at, callback }] of [...this.#armed]) {
      if (at > this.#now) continue;
      this.#armed.delete(timer);
      if (isCleared(timer)) continue;
      clearTimeout(timer);
      callback();
    }
  }
}

function isCleared(timer: NodeJS.Timeout): boolean {
  return (timer as unknown as { _destroyed: boolean })._destroyed;
}

describe('RateLimitedReporter', () => {
  let clock: HeldClock;
  let lines: (LogFields & { message: string })[];
  let reporter: RateLimitedReporter;

  beforeEach(() => {
    clock = new HeldClock();
    lines = [];
    const logger: Logger = {
      ...silentLogger,
      warn: (message, fields) => lines.push({ ...fields, message }),
    };
    reporter = new RateLimitedReporter({ logger, clock });
  });

  afterEach(() => reporter.close());

  it('says the first fault at once', () => {
    reporter.report('redis', 'Redis is away', { error: 'one' });
    expect(lines).to.deep.equal([
      { message: 'Redis is away', error: 'one', fault: 'redis', count: 1 },
    ]);
  });

  it('counts what follows and says it once a second, with the last error', () => {
    reporter.report('redis', 'Redis is away', { error: 'one' });
    for (let at = 2; at <= 1_000; at += 1) reporter.report('redis', 'away', { error: at });
    clock.tick(999);
    expect(lines).to.have.length(1);
    clock.tick(1);
    expect(lines).to.have.length(2);
    expect(lines[1]).to.deep.equal({ message: 'away', error: 1_000, fault: 'redis', count: 999 });
    reporter.report('redis', 'away');
    expect(lines).to.have.length(2);
    clock.tick(1_000);
    expect(lines[2]?.count).to.equal(1);
  });

  it('forgets a key that was quiet, so that the next fault is said at once', () => {
    reporter.report('redis', 'away');
    clock.tick(1_000);
    expect(clock.armed).to.equal(0);
    reporter.report('redis', 'away');
    expect(lines).to.have.length(2);
  });

  it('keeps keys apart', () => {
    reporter.report('a', 'x');
    reporter.report('b', 'y');
    expect(lines.map(({ fault }) => fault)).to.deep.equal(['a', 'b']);
  });

  it('costs bounded memory and lines whatever the keys are', () => {
    for (let at = 0; at < 10_000; at += 1) reporter.report(`key ${String(at)}`, 'flood');
    expect(lines.length).to.be.below(300);
    expect(clock.armed).to.be.below(300);
    clock.tick(1_000);
    expect(lines.reduce((sum, { count }) => sum + Number(count), 0)).to.equal(10_000);
  });

  it('says what is still counted when it is closed, and leaves no timer', () => {
    reporter.report('a', 'x');
    reporter.report('a', 'x');
    reporter.close();
    expect(lines.map(({ count }) => count)).to.deep.equal([1, 1]);
    expect(clock.armed).to.equal(0);
    reporter.close();
    expect(lines).to.have.length(2);
  });
});
