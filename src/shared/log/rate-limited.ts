import type { Clock } from '../clock.js';
import type { LogFields, Logger } from './logger.js';

export interface RateLimitedReporterOptions {
  readonly logger: Logger;
  readonly clock: Clock;
  /** Shortest time between two lines of one key; 1000 ms unless told. */
  readonly intervalMs?: number;
}

interface Pending {
  /** Faults since the last line. */
  count: number;
  message: string;
  fields: LogFields;
  timer: NodeJS.Timeout;
}

const INTERVAL_MS = 1_000;
/** Keys remembered at once; what comes on top shares one key, so that hostile input costs nothing. */
const MAX_KEYS = 256;
const OVERFLOW_KEY = '(other)';

/**
 * For faults that come in floods: the first one is a line at once, those that follow are counted,
 * and the count goes out with the last of them at most once per interval and key. A log call costs
 * about 12 µs and holds memory until the loop turns (style 5.5).
 */
export class RateLimitedReporter {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #pending = new Map<string, Pending>();

  constructor(options: RateLimitedReporterOptions) {
    this.#logger = options.logger;
    this.#clock = options.clock;
    this.#intervalMs = options.intervalMs ?? INTERVAL_MS;
  }

  /** Logged as a warning; `fields.error` is the thrown value, `count` is added. */
  report(key: string, message: string, fields: LogFields = {}): void {
    const known = this.#pending.has(key) || this.#pending.size < MAX_KEYS;
    const name = known ? key : OVERFLOW_KEY;
    const pending = this.#pending.get(name);
    if (pending === undefined) {
      this.#open(name, message, fields);
    } else {
      pending.count += 1;
      pending.message = message;
      pending.fields = fields;
    }
  }

  /** Says what is still counted and stops the timers. */
  close(): void {
    for (const [key, pending] of this.#pending) {
      clearTimeout(pending.timer);
      this.#say(key, pending);
    }
    this.#pending.clear();
  }

  #open(key: string, message: string, fields: LogFields): void {
    this.#logger.warn(message, { ...fields, fault: key, count: 1 });
    this.#pending.set(key, { count: 0, message, fields, timer: this.#arm(key) });
  }

  #arm(key: string): NodeJS.Timeout {
    const timer = this.#clock.setTimeout(() => this.#tick(key), this.#intervalMs);
    timer.unref();
    return timer;
  }

  #tick(key: string): void {
    const pending = this.#pending.get(key);
    if (pending === undefined) return;
    if (pending.count === 0) {
      this.#pending.delete(key);
      return;
    }
    this.#say(key, pending);
    pending.count = 0;
    pending.timer = this.#arm(key);
  }

  #say(key: string, { count, message, fields }: Pending): void {
    if (count > 0) this.#logger.warn(message, { ...fields, fault: key, count });
  }
}
