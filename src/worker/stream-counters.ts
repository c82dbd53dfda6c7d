import type { Metrics } from '../shared/metrics/definitions.js';
import type { StreamMetrics } from './stream/stream-metrics.js';

/** The counters of the streams, kept in the worker's metrics. */
export interface StreamCounters extends StreamMetrics {
  setLoad(clients: number, streams: number, owned: number): void;
}

export function makeStreamMetrics(metrics: Metrics): StreamCounters {
  return {
    skip: () => metrics.skips.inc(),
    clientClosed: (reason, bytesSent) => {
      metrics.bytesOut.inc(bytesSent);
      if (reason === 'ghost') metrics.ghosts.inc();
    },
    ownership: () => metrics.ownershipChanges.inc(),
    read: (chunks) => metrics.chunksRead.inc(chunks),
    appended: (bytes) => {
      metrics.chunksAppended.inc();
      metrics.bytesIn.inc(bytes);
    },
    engineFault: (reason) => metrics.engineFaults.inc(reason),
    setLoad: (clients, streams, owned) => {
      metrics.clients.set(clients);
      metrics.streams.set('owner', owned);
      metrics.streams.set('follower', Math.max(0, streams - owned));
    },
  };
}
