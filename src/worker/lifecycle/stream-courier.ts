import type { Socket } from 'node:net';
import type { Clock } from '../../shared/clock.js';
import type { StreamId, WorkerId } from '../../shared/ids.js';
import type { PrimaryLink } from './primary-link.js';

/** ms; the primary answers from memory. Without an answer the stream goes to whoever wins it. */
const ANSWER_TIMEOUT_MS = 500;

/** Asks the primary who gets a stream and sends the engine's connection there. */
export class StreamCourier {
  readonly #link: PrimaryLink;
  readonly #clock: Clock;
  readonly #asked = new Map<StreamId, (worker: WorkerId | null) => void>();

  constructor(link: PrimaryLink, clock: Clock) {
    this.#link = link;
    this.#clock = clock;
    link.on('stream-target', ({ stream, worker }) => this.#asked.get(stream)?.(worker));
  }

  target(stream: StreamId): Promise<WorkerId | null> {
    return new Promise((resolve) => {
      const answer = (worker: WorkerId | null): void => {
        clearTimeout(timer);
        this.#asked.delete(stream);
        resolve(worker);
      };
      const timer = this.#clock.setTimeout(() => answer(null), ANSWER_TIMEOUT_MS);
      this.#asked.set(stream, answer);
      this.#link.send({ type: 'stream-target', stream });
    });
  }

  async give(stream: StreamId, term: number, to: WorkerId, socket: Socket): Promise<void> {
    await this.#link.sendSocket({ type: 'stream-handover', stream, term, to }, socket);
  }
}
