import type { Clock } from '../shared/clock.js';
import type { PrimaryMessage } from '../shared/ipc/messages.js';
import type { Logger } from '../shared/log/logger.js';
import { planGather, type Move, type Share } from './gather-policy.js';
import type { OwnedStream } from './reaper.js';

/** What the gatherer needs of a worker; `WorkerHandle` is one. */
export interface GatherTarget {
  readonly pid: number;
  readonly generation: number;
  readonly stale: boolean;
  readonly owned: readonly OwnedStream[];
  send(message: PrimaryMessage): void;
}

export interface GathererDeps {
  /** The workers that serve, now. */
  readonly serving: () => readonly GatherTarget[];
  readonly shares: () => readonly Share[];
  /** Open connections of a worker. */
  readonly connections: (pid: number) => number;
  /** `PROXY_GATHER`. */
  readonly limit: () => number;
  readonly clock: Clock;
  readonly log: Logger;
}

/** ms; a client that zaps on is gone before it is worth a move. */
const ROUND_MS = 2_000;

/**
 * Brings the clients of a stream together at the worker that owns it (`planGather`). The worker they
 * leave hands them over as in a reload: at a packet boundary, with nothing queued, byte for byte.
 */
export class Gatherer {
  readonly #deps: GathererDeps;
  readonly #timer: NodeJS.Timeout;
  /** Moves that the last round found too: only they are asked for. */
  #seen = new Set<string>();

  constructor(deps: GathererDeps) {
    this.#deps = deps;
    this.#timer = deps.clock.setInterval(() => this.#round(), ROUND_MS);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #round(): void {
    const { serving, shares, connections, limit, log } = this.#deps;
    const workers = serving().filter(({ stale }) => !stale);
    const generations = new Set(workers.map(({ generation }) => generation));
    // A reload moves everybody anyway.
    const moves =
      generations.size > 1
        ? []
        : planGather(
            shares(),
            workers.map(({ pid, owned }) => ({
              pid,
              connections: connections(pid),
              owned: new Set(owned.map(({ stream }) => stream)),
            })),
            limit(),
          );
    for (const move of moves) {
      if (!this.#seen.has(nameOf(move))) continue;
      const { stream, from, to } = move;
      log.debug('gathering the clients of a stream', { stream, from, to });
      workers.find(({ pid }) => pid === from)?.send({ type: 'gather', stream, to });
    }
    this.#seen = new Set(moves.map(nameOf));
  }
}

function nameOf({ stream, from, to }: Move): string {
  return `${stream} ${String(from)} ${String(to)}`;
}
