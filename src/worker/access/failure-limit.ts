import type { Clock } from '../../shared/clock.js';
import { hostOf } from './networks.js';

export interface FailureLimits {
  /** Failures that an address may have at once. */
  readonly burst: number;
  /** ms until one of them is forgiven. */
  readonly forgiveMs: number;
  /** Addresses that are remembered; the one that failed longest ago goes first. */
  readonly maxHosts: number;
}

/**
 * 20 tries, then 12 a minute: no mistake of a person gets there, and a key of 16 characters takes
 * longer than the proxy lives. 4,096 hosts are some 500 KB.
 */
const FAILURE_LIMITS: FailureLimits = { burst: 20, forgiveMs: 5_000, maxHosts: 4_096 };

interface Record {
  /** Failures that are not forgiven yet. */
  readonly failures: number;
  readonly at: number;
}

/** Counts failed tries to show a key, token or signature, by address, in bounded memory. */
export class FailureLimit {
  readonly #clock: Clock;
  readonly #limits: FailureLimits;
  /** In the order of the last failure. */
  readonly #hosts = new Map<string, Record>();

  constructor(clock: Clock, limits: FailureLimits = FAILURE_LIMITS) {
    this.#clock = clock;
    this.#limits = limits;
  }

  get size(): number {
    return this.#hosts.size;
  }

  /** True when this address has to wait before anything it shows is looked at. */
  isBlocked(address: string): boolean {
    return this.#failuresOf(hostOf(address)) > this.#limits.burst - 1;
  }

  failed(address: string): void {
    const host = hostOf(address);
    const failures = Math.min(this.#limits.burst, this.#failuresOf(host) + 1);
    this.#hosts.delete(host);
    this.#hosts.set(host, { failures, at: this.#clock.monotonic() });
    if (this.#hosts.size <= this.#limits.maxHosts) return;
    for (const oldest of this.#hosts.keys()) {
      this.#hosts.delete(oldest);
      return;
    }
  }

  #failuresOf(host: string): number {
    const record = this.#hosts.get(host);
    if (record === undefined) return 0;
    const forgiven = (this.#clock.monotonic() - record.at) / this.#limits.forgiveMs;
    return Math.max(0, record.failures - forgiven);
  }
}
