import { sleep, type Clock } from '../../shared/clock.js';
import type { MovableReader } from '../contracts.js';

/** ms that a lock may be here before the engine's connection; half of the shortest lock's life. */
const HANDED_OVER_MS = 500;

/**
 * The engine's connection that another worker hands over together with the stream. It comes before the
 * lock is won, after it, or not at all.
 */
export class ExpectedReader {
  readonly #clock: Clock;
  /** Another worker has put the lock into this worker's name; with the connection or not. */
  #come: { readonly reader: MovableReader | null } | null = null;
  #onCome: (() => void) | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** It is here, or known to be lost (`null`), and nobody has taken it yet. */
  get here(): boolean {
    return this.#come !== null;
  }

  /** The owner waits for it. */
  get awaited(): boolean {
    return this.#onCome !== null;
  }

  put(reader: MovableReader | null): void {
    this.#come = { reader };
    this.#onCome?.();
  }

  take(): MovableReader | null {
    const reader = this.#come?.reader ?? null;
    this.#come = null;
    return reader;
  }

  /** The lock is somebody else's all the same: the connection that came for us is of no use. */
  drop(): void {
    void this.take()?.close();
  }

  /**
   * A client that was handed over can win the lock before the engine's connection is here: opening
   * another one meanwhile would break the session (engine-api 3.4), and with it the picture.
   */
  async untilHere(): Promise<void> {
    if (this.here) return;
    const come = new Promise<void>((resolve) => {
      this.#onCome = resolve;
    });
    await Promise.race([come, sleep(this.#clock, HANDED_OVER_MS)]);
    this.#onCome = null;
  }
}
