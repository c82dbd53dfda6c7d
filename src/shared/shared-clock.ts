import type { Clock } from './clock.js';

/** One look at Redis' clock; all in wall-clock ms, the first two by our own clock. */
export interface ClockSample {
  readonly sentAt: number;
  readonly receivedAt: number;
  readonly theirs: number;
}

/** ms; clocks are read in whole milliseconds. */
const GRAIN_MS = 2;
/** ms; an answer that took longer says too little. */
const MAX_ROUND_TRIP_MS = 200;

/**
 * What to add to our clock to get theirs. The true value lies between the two bounds of a sample; what
 * is believed already stays while it fits, so that the time does not jitter with the network.
 */
export function nextOffset(believed: number, sample: ClockSample): number {
  const { sentAt, receivedAt, theirs } = sample;
  const roundTrip = receivedAt - sentAt;
  const least = theirs - receivedAt;
  const most = theirs - sentAt;
  if (believed >= least - GRAIN_MS && believed <= most + GRAIN_MS) return believed;
  // A negative one: our own clock was set in between.
  if (roundTrip < 0 || roundTrip > MAX_ROUND_TRIP_MS) return believed;
  return Math.round((least + most) / 2);
}

/**
 * A clock whose `now` is that of Redis, which all hosts share: grace periods, admissions and the age of
 * chunks are compared across hosts, and hosts' own clocks run apart. Durations stay our own.
 */
export class SharedClock implements Clock {
  readonly #own: Clock;
  #offset = 0;

  constructor(own: Clock) {
    this.#own = own;
  }

  /** ms that Redis is ahead of this host; 0 until it was asked. */
  get offset(): number {
    return this.#offset;
  }

  now(): number {
    return this.#own.now() + this.#offset;
  }

  monotonic(): number {
    return this.#own.monotonic();
  }

  setTimeout(callback: () => void, ms: number): NodeJS.Timeout {
    return this.#own.setTimeout(callback, ms);
  }

  setInterval(callback: () => void, ms: number): NodeJS.Timeout {
    return this.#own.setInterval(callback, ms);
  }

  /** Asks once; resolves to the change of the offset, ms. Rejects as `ask` does. */
  async compare(ask: () => Promise<number>): Promise<number> {
    const before = this.#offset;
    const sentAt = this.#own.now();
    const theirs = await ask();
    this.#offset = nextOffset(before, { sentAt, receivedAt: this.#own.now(), theirs });
    return this.#offset - before;
  }
}
