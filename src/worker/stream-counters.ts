import type { Metrics } from '../shared/metrics/definitions.js';
import type { StreamMetrics } from './stream/stream-metrics.js';

export interface WorkerLoad {
  readonly clients: number;
  readonly streams: number;
  /** Streams this worker owns. */
  readonly owned: number;
  readonly eventLoopLagMs: number;
}

/** The counters of the streams, kept in the worker's metrics. */
export interface StreamCounters extends StreamMetrics {
  /** Called with each heartbeat. */
  setLoad(load: WorkerLoad): void;
}

export function makeStreamCounters(metrics: Metrics): StreamCounters {
  // Counted with each write and handed on with each heartbeat: a counter costs more than a sum.
  let bytesOut = 0;
  return {
    skip: () => metrics.skips.inc(),
    gap: () => metrics.gaps.inc(),
    adopted: () => metrics.adopts.inc(),
    sent: (bytes) => {
      bytesOut += bytes;
    },
    clientClosed: (reason) => {
      if (reason === 'ghost') metrics.ghosts.inc();
    },
    ownership: () => metrics.ownershipChanges.inc(),
    takeover: () => metrics.takeovers.inc(),
    read: (chunks, _bytes, lagMs) => {
      metrics.chunksRead.inc(chunks);
      metrics.followerLag.observe(Math.max(0, lagMs) / 1_000);
    },
    appended: (bytes) => {
      metrics.chunksAppended.inc();
      metrics.bytesIn.inc(bytes);
    },
    engineStarted: () => metrics.engineStarts.inc(),
    engineStopped: () => metrics.engineStops.inc(),
    engineFault: (reason) => metrics.engineFaults.inc(reason),
    streamLosses: (kind, count) => metrics.streamLosses.inc(kind, count),
    streamFault: (fault) => metrics.streamFaults.inc(fault),
    streamClock: (intervalMaxMs, jitterMs) => {
      metrics.pcrInterval.observe(intervalMaxMs / 1_000);
      metrics.pcrJitter.observe(jitterMs / 1_000);
    },
    setLoad: ({ clients, streams, owned, eventLoopLagMs }) => {
      metrics.bytesOut.inc(bytesOut);
      bytesOut = 0;
      metrics.eventLoopLag.set(eventLoopLagMs / 1_000);
      metrics.clients.set(clients);
      metrics.streams.set('owner', owned);
      metrics.streams.set('follower', Math.max(0, streams - owned));
    },
  };
}
