import { count, flag, number, text, type Fields } from './fields.js';

/**
 * What the packets of a stream say about it. Counters are those of the stream's life, whatever sources
 * and owners it had; the rest is what the owner saw last. Unknown values are `null`.
 */
export interface QualityView {
  /** `good`; `fair`: some loss, or a fault that can be lived with; `bad`: viewers see it. */
  readonly grade: string | null;
  /** Lasting faults of this moment, by the names of `QualityFault` in the worker. */
  readonly faults: readonly string[];
  /** Continuity errors, transport errors and sync losses of the last minute. */
  readonly losses_per_minute: number;
  readonly continuity_errors: number;
  readonly sync_losses: number;
  readonly transport_errors: number;
  readonly scrambled_packets: number;
  /** Times the source was changed. */
  readonly splices: number;
  /** Times a source was left because it played old media. */
  readonly loops: number;
  /** ms of media that come again and again now; 0: none. */
  readonly loop_ms: number;
  readonly has_video: boolean | null;
  readonly has_audio: boolean | null;
  /** Program clock references: ms between two, and the jitter of their arrival. */
  readonly pcr_interval_max_ms: number | null;
  readonly pcr_interval_mean_ms: number | null;
  readonly pcr_jitter_ms: number | null;
  /** Intervals above 100 ms; steps ahead and back without a mark. */
  readonly pcr_late: number;
  readonly pcr_jumps: number;
  readonly pcr_regressions: number;
  readonly pts_regressions: number;
}

export function qualityView(metadata: Fields): QualityView {
  const faults = text(metadata, 'quality_faults');
  return {
    grade: text(metadata, 'quality'),
    faults: faults === null ? [] : faults.split(','),
    losses_per_minute: count(metadata, 'losses_per_minute'),
    continuity_errors: count(metadata, 'continuity_errors'),
    sync_losses: count(metadata, 'sync_losses'),
    transport_errors: count(metadata, 'transport_errors'),
    scrambled_packets: count(metadata, 'scrambled_packets'),
    splices: count(metadata, 'splices'),
    loops: count(metadata, 'loops'),
    loop_ms: count(metadata, 'loop_ms'),
    has_video: flag(metadata, 'has_video'),
    has_audio: flag(metadata, 'has_audio'),
    pcr_interval_max_ms: number(metadata, 'pcr_interval_max_ms'),
    pcr_interval_mean_ms: number(metadata, 'pcr_interval_mean_ms'),
    pcr_jitter_ms: number(metadata, 'pcr_jitter_ms'),
    pcr_late: count(metadata, 'pcr_late'),
    pcr_jumps: count(metadata, 'pcr_jumps'),
    pcr_regressions: count(metadata, 'pcr_regressions'),
    pts_regressions: count(metadata, 'pts_regressions'),
  };
}
