/** What the choice of a worker depends on. */
export interface Candidate {
  readonly pid: number;
  /** Raised by each reload. */
  readonly generation: number;
  readonly connections: number;
  /** Its heartbeat is late: it may hang, so it is the last resort. */
  readonly stale: boolean;
  /** Number of the last deal to it, 0 before the first: equals take turns by it. */
  readonly lastDeal: number;
}

/**
 * The worker that gets the next connection: fewest open connections, round robin among equals.
 * `preferNew` puts the newest generation first, so that a reload moves a client once.
 */
export function chooseWorker<T extends Candidate>(
  candidates: Iterable<T>,
  preferNew: boolean,
): T | null {
  let best: T | null = null;
  for (const candidate of candidates) {
    if (best === null || compare(candidate, best, preferNew) < 0) best = candidate;
  }
  return best;
}

function compare(a: Candidate, b: Candidate, preferNew: boolean): number {
  return (
    Number(a.stale) - Number(b.stale) ||
    (preferNew ? b.generation - a.generation : 0) ||
    a.connections - b.connections ||
    a.lastDeal - b.lastDeal
  );
}
