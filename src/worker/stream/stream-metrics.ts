import type { QualityMetrics } from '../owner/quality-watch.js';

/** What a stream counts; the metrics registry stands behind it. */
export interface StreamMetrics extends QualityMetrics {
  skip(): void;
  /** A client got fillers for want of media. */
  gap(): void;
  /** A client of another worker goes on here. */
  adopted(): void;
  /** Bytes written to a client's socket. */
  sent(bytes: number): void;
  clientClosed(reason: string): void;
  ownership(): void;
  /** An ownership that goes on with what another worker began. */
  takeover(): void;
  /** Chunks a follower read from Redis; `lagMs` after the newest of them was cut, by Redis' clock. */
  read(chunks: number, bytes: number, lagMs: number): void;
  /** A chunk that an owner cut. */
  appended(bytes: number): void;
  engineStarted(): void;
  engineStopped(): void;
  engineFault(reason: string): void;
}
