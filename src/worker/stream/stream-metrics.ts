/** What a stream counts; the metrics registry stands behind it. */
export interface StreamMetrics {
  skip(): void;
  clientClosed(reason: string, bytesSent: number): void;
  ownership(): void;
  /** Chunks a follower read from Redis. */
  read(chunks: number, bytes: number): void;
  /** A chunk that an owner cut. */
  appended(bytes: number): void;
  engineFault(reason: string): void;
}
