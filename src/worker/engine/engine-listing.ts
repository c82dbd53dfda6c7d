import type { StreamId } from '../../shared/ids.js';
import type { EngineSnapshot } from '../../shared/redis/engine-records.js';
import { currentScore, freshHealth } from './engine-health.js';

/** An engine as `GET /engines` shows it. Times are ISO 8601, or `null` for never. */
export interface EngineListing {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly forwarded: boolean;
  readonly source: string;
  readonly container_id: string | null;
  /** Its own drain flag, or its source's word not to use it. */
  readonly draining: boolean;
  readonly withheld: boolean;
  /** Streams it carries at most, with the proxy's default filled in. */
  readonly max_streams: number;
  readonly load: number;
  readonly streams: readonly StreamId[];
  readonly healthy: boolean;
  readonly failures: number;
  /** 0 to 1. */
  readonly score: number;
  readonly version: string | null;
  readonly last_error: string | null;
  readonly checked_at: string | null;
  readonly next_probe_at: string | null;
  readonly assigned_at: string | null;
}

/** `now` is wall-clock ms. */
export function toListing(
  snapshot: EngineSnapshot,
  defaultMax: number,
  now: number,
): EngineListing {
  const { record, reservations, assignedAt } = snapshot;
  const { max, containerId, ...address } = record;
  const health = snapshot.health ?? freshHealth(now);
  return {
    ...address,
    container_id: containerId,
    max_streams: max ?? defaultMax,
    load: reservations.length,
    streams: reservations.map(({ stream }) => stream),
    healthy: health.healthy,
    failures: health.failures,
    score: Math.round(currentScore(health, now) * 1_000) / 1_000,
    version: health.version,
    last_error: health.lastError,
    checked_at: toIso(health.checkedAt),
    next_probe_at: toIso(health.nextProbeAt),
    assigned_at: toIso(assignedAt ?? 0),
  };
}

function toIso(ms: number): string | null {
  return ms > 0 ? new Date(ms).toISOString() : null;
}
