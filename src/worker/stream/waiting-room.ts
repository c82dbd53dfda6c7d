import type { ClientId } from '../../shared/ids.js';

/** The client's request is asked again of another worker: there is nothing to answer here. */
export class MovedError extends Error {
  constructor() {
    super('another worker answers this request');
    this.name = 'MovedError';
  }
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (reason: Error) => void;
}

/** Clients parked until the stream has media to begin with; all are told at the same moment. */
export class WaitingRoom {
  readonly #waiters = new Map<ClientId, Waiter>();

  get size(): number {
    return this.#waiters.size;
  }

  /** Resolves on `admitAll`; rejects on `rejectAll` and when `signal` aborts. */
  wait(client: ClientId, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiters.delete(client);
        signal.removeEventListener('abort', onAbort);
      };
      const onAbort = (): void => {
        leave();
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiters.set(client, {
        resolve: () => {
          leave();
          resolve();
        },
        reject: (reason) => {
          leave();
          reject(reason);
        },
      });
    });
  }

  reject(client: ClientId, reason: Error): void {
    this.#waiters.get(client)?.reject(reason);
  }

  admitAll(): void {
    for (const waiter of [...this.#waiters.values()]) waiter.resolve();
  }

  rejectAll(reason: Error): void {
    for (const waiter of [...this.#waiters.values()]) waiter.reject(reason);
  }
}
