import type { QualityMetrics } from '../owner/quality-watch.js';

/** What a stream counts; the metrics registry stands behind it. */
export interface StreamMetrics extends QualityMetrics {
  skip(): void;
  /** Bytes written to a client's socket. */
  sent(bytes: number): void;
  clientClosed(reason: string): void;
  ownership(): void;
  /** Chunks a follower read from Redis. */
  read(chunks: number, bytes: number): void;
  /** A chunk that an owner cut. */
  appended(bytes: number): void;
  engineStarted(): void;
  engineStopped(): void;
  engineFault(reason: string): void;
}
