import { withDeadline } from '../shared/deadline.js';
import type { StreamId, WorkerId } from '../shared/ids.js';
import type { Logger } from '../shared/log/logger.js';

/** Redis may be away; then the locks' TTL frees what this could not. */
const REAP_DEADLINE_MS = 2_000;

export interface OwnedStream {
  readonly stream: StreamId;
  readonly term: number;
}

/** Frees at once what a dead worker held in Redis, where its locks would have to expire. */
export interface WorkerReaper {
  reap(worker: WorkerId, owned: readonly OwnedStream[]): Promise<void>;
  /** Drops the clients of a dead worker that nobody has adopted meanwhile. */
  dropClients(worker: WorkerId): Promise<void>;
}

/** ms after a worker's death by which its clients are with a sibling, if anybody takes them. */
export const ADOPTION_MS = 1_000;

/** Never rejects: what could not be freed is logged and expires. */
export async function reapWorker(
  reaper: WorkerReaper,
  worker: WorkerId,
  owned: readonly OwnedStream[],
  log: Logger,
): Promise<void> {
  try {
    await withDeadline(reaper.reap(worker, owned), REAP_DEADLINE_MS, 'freeing a dead worker');
  } catch (error) {
    log.warn('what a dead worker held in Redis has to expire', { worker, error });
  }
}

/** Never rejects: leases that could not be dropped run out. */
export async function dropClients(
  reaper: WorkerReaper,
  worker: WorkerId,
  log: Logger,
): Promise<void> {
  try {
    await withDeadline(reaper.dropClients(worker), REAP_DEADLINE_MS, 'dropping dead clients');
  } catch (error) {
    log.debug('the leases of a dead worker have to expire', { worker, error });
  }
}
