import type { StreamId } from '../shared/ids.js';

/** Clients of one stream that one worker plays to. */
export interface Share {
  readonly stream: StreamId;
  /** Process id of the worker. */
  readonly worker: number;
  readonly clients: number;
}

/** A worker as the plan sees it. */
export interface GatherWorker {
  readonly pid: number;
  readonly connections: number;
  readonly owned: ReadonlySet<StreamId>;
}

/** All clients of `stream` at `from` are to move to `to`. */
export interface Move {
  readonly stream: StreamId;
  readonly from: number;
  readonly to: number;
}

/**
 * Which clients should move so that a stream with few clients is read from the ring by as few workers
 * as can be: a worker that follows a stream of 5 Mbit/s for five clients spends most of its time on
 * the following. They meet at the owner, or where most of them are when another host owns the stream.
 * A move is worth it while the worker they go to has at most `limit` connections more afterwards than
 * the one they leave; 0 gathers nobody. Pure; a plan that was carried out leads to no further move.
 */
export function planGather(
  shares: readonly Share[],
  workers: readonly GatherWorker[],
  limit: number,
): Move[] {
  if (limit === 0) return [];
  const connections = new Map(workers.map(({ pid, connections: count }) => [pid, count]));
  const known = shares.filter(({ worker }) => connections.has(worker));
  const places = meetingPlaces(known, workers);
  const moves: Move[] = [];
  // The smallest ones first: most workers are freed of a stream before the limit is reached.
  for (const share of [...known].sort((a, b) => a.clients - b.clients)) {
    const { stream, worker: from, clients } = share;
    const to = places.get(stream) ?? from;
    if (to === from) continue;
    const there = (connections.get(to) ?? 0) + clients;
    const here = (connections.get(from) ?? 0) - clients;
    if (there - here > limit) continue;
    connections.set(to, there);
    connections.set(from, here);
    moves.push({ stream, from, to });
  }
  return moves;
}

/** By stream: its owner if it is one of the workers, else the one with most of its clients. */
function meetingPlaces(
  shares: readonly Share[],
  workers: readonly GatherWorker[],
): Map<StreamId, number> {
  const most = new Map<StreamId, Share>();
  for (const share of shares) {
    const other = most.get(share.stream);
    const more = other === undefined || share.clients > other.clients;
    const first = share.clients === other?.clients && share.worker < other.worker;
    if (more || first) most.set(share.stream, share);
  }
  const places = new Map([...most].map(([stream, { worker }]) => [stream, worker]));
  for (const { pid, owned } of workers) for (const stream of owned) places.set(stream, pid);
  return places;
}
