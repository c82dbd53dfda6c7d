import { mock } from 'node:test';

import type { Clock } from '../../src/shared/clock.js';

/**
 * Time that moves by hand. Replaces the global timers too, because a timer is cleared with the
 * global `clearTimeout`; `restore` gives them back.
 */
export class FakeClock implements Clock {
  #now = 0;

  constructor() {
    mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  setTimeout(callback: () => void, ms: number): NodeJS.Timeout {
    return setTimeout(callback, ms);
  }

  setInterval(callback: () => void, ms: number): NodeJS.Timeout {
    return setInterval(callback, ms);
  }

  /** Lets `ms` pass, whole milliseconds; timers see the time at which they are due. */
  tick(ms: number): void {
    for (let passed = 0; passed < ms; passed += 1) {
      this.#now += 1;
      mock.timers.tick(1);
    }
  }

  /** The clock jumps, as after a stop of the whole process: timers are late. */
  jump(ms: number): void {
    this.#now += ms;
  }

  restore(): void {
    mock.timers.reset();
  }
}
