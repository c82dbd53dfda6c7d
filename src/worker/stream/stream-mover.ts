import type { Socket } from 'node:net';
import type { StreamId, WorkerId } from '../../shared/ids.js';

/** The way of a stream's engine connection to a sibling worker; the primary stands behind it. */
export interface StreamMover {
  /** Who gets the stream; `null` when nobody can, or nobody says in time. */
  target(stream: StreamId): Promise<WorkerId | null>;
  /** Resolves when the connection is on its way. */
  give(stream: StreamId, term: number, to: WorkerId, socket: Socket): Promise<void>;
}
