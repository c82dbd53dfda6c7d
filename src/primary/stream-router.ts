import type { Socket } from 'node:net';

import type { StreamId, WorkerId } from '../shared/ids.js';
import type { PrimaryMessage, WorkerMessage } from '../shared/ipc/messages.js';
import type { Logger } from '../shared/log/logger.js';
import { chooseWorker } from './deal-policy.js';
import type { OwnedStream } from './reaper.js';

/** What an owner that drains says about a stream it hands over. */
export type StreamMessage = Extract<
  WorkerMessage,
  { readonly type: 'stream-target' | 'stream-handover' }
>;

export function isStreamMessage(message: WorkerMessage): message is StreamMessage {
  return message.type === 'stream-target' || message.type === 'stream-handover';
}

/** What the router needs of the worker that hands over; `WorkerHandle` is one. */
export interface StreamGiver {
  readonly pid: number;
  readonly id: WorkerId;
  readonly owned: readonly OwnedStream[];
  send(message: PrimaryMessage): void;
}

/** What the router needs of a worker that may get a stream; `WorkerHandle` is one. */
export interface StreamTaker extends StreamGiver {
  readonly generation: number;
  readonly stale: boolean;
  /** Gives a stream, and its engine's connection without keeping a copy. */
  giveStream(stream: OwnedStream, from: WorkerId, socket: Socket | null): void;
}

/** A stream that is on its way from one worker to another. */
interface Promised {
  readonly to: WorkerId;
  readonly from: WorkerId;
  readonly term: number;
}

export interface StreamRouterDeps {
  /** The workers that serve, now. */
  readonly serving: () => readonly StreamTaker[];
  /** A worker that is gone was written into the lock of a stream after its locks were freed. */
  readonly onOrphan: (worker: WorkerId, stream: OwnedStream) => void;
  readonly log: Logger;
}

/**
 * Moves streams from a worker that drains to one that stays (spec 3.8): names the worker that gets
 * a stream, then passes the engine's connection on to exactly that one, whose id the lock holds by
 * then.
 */
export class StreamRouter {
  readonly #deps: StreamRouterDeps;
  /** Number of the last choice of each worker: equals take turns by it. */
  readonly #lastChoice = new Map<number, number>();
  /** Streams that a worker (by process id) was given a target for and has not handed over yet. */
  readonly #promised = new Map<number, Map<StreamId, Promised>>();
  #choices = 0;

  constructor(deps: StreamRouterDeps) {
    this.#deps = deps;
  }

  /** `socket` comes with `stream-handover`; it does not read. */
  receive(from: StreamGiver, message: StreamMessage, socket: Socket | null): void {
    if (message.type === 'stream-handover') this.#pass(from, message, socket);
    else this.#answer(from, message.stream);
  }

  /**
   * A worker is gone. A lock that it has put into another one's name already is of use to nobody else:
   * that one takes the stream without the engine's connection, or finds that the lock is not its own.
   */
  forget(pid: number): void {
    this.#lastChoice.delete(pid);
    const promised = this.#promised.get(pid);
    this.#promised.delete(pid);
    for (const [stream, { to, term, from }] of promised ?? []) {
      this.#deps.log.info('a stream was lost on its way to another worker', { stream, to });
      const target = this.#deps.serving().find(({ id }) => id === to);
      target?.send({ type: 'stream-adopt', stream, term, from });
    }
  }

  #answer(from: StreamGiver, stream: StreamId): void {
    const target = this.#choose(from.pid);
    if (target !== null) {
      this.#lastChoice.set(target.pid, ++this.#choices);
      const promised = this.#promised.get(from.pid) ?? new Map<StreamId, Promised>();
      const term = from.owned.find((each) => each.stream === stream)?.term ?? 0;
      promised.set(stream, { to: target.id, from: from.id, term });
      this.#promised.set(from.pid, promised);
    }
    from.send({ type: 'stream-target', stream, worker: target?.id ?? null });
  }

  /** The newest generation, so that a reload moves a stream once; then who owns the fewest. */
  #choose(except: number): StreamTaker | null {
    const candidates = this.#deps
      .serving()
      // One that may hang would hold the lock until it is killed: better none.
      .filter(({ pid, stale }) => pid !== except && !stale)
      .map((target) => ({
        target,
        pid: target.pid,
        generation: target.generation,
        stale: false,
        connections: target.owned.length,
        lastDeal: this.#lastChoice.get(target.pid) ?? 0,
      }));
    return chooseWorker(candidates, true)?.target ?? null;
  }

  #pass(
    from: StreamGiver,
    { stream, term, to }: Extract<StreamMessage, { readonly type: 'stream-handover' }>,
    socket: Socket | null,
  ): void {
    this.#promised.get(from.pid)?.delete(stream);
    const target = this.#deps.serving().find(({ id }) => id === to);
    this.#deps.log.info('a stream moves to another worker', {
      stream,
      term,
      from: from.id,
      to,
      lost: target === undefined,
    });
    if (target !== undefined) {
      target.giveStream({ stream, term }, from.id, socket);
      return;
    }
    socket?.destroy();
    this.#deps.onOrphan(to, { stream, term });
  }
}
