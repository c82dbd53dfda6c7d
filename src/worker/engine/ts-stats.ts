import { NULL_PID } from '../../shared/mpegts/packet.js';
import type { Tables } from '../contracts.js';
import type { TsMeter } from './ts-meter.js';
import type { ClockStats } from './ts-pcr.js';
import type { TsSync } from './ts-sync.js';
import type { UnitStats, UnitWatch } from './ts-units.js';

/** What a source still lacks. */
export const ChunkerPhase = {
  /** No PAT and PMT yet: nothing is kept. */
  Tables: 'tables',
  /** Tables are known, a keyframe is not: only a PES that may be one is kept. */
  Keyframe: 'keyframe',
  /** Every packet goes into a chunk. */
  Running: 'running',
} as const;
export type ChunkerPhase = (typeof ChunkerPhase)[keyof typeof ChunkerPhase];

/** One source's health; times are in the chunker's `now`. Counters begin with the source. */
export interface TsStats {
  readonly phase: ChunkerPhase;
  readonly packets: number;
  readonly nullPackets: number;
  readonly scrambledPackets: number;
  readonly transportErrors: number;
  readonly continuityErrors: number;
  /** TS_sync_loss, ETSI TR 101 290 1.1. */
  readonly syncLosses: number;
  readonly droppedBytes: number;
  /** No packets in the last 64 KiB (spec 3.4). */
  readonly garbage: boolean;
  /** bits/s by the program clock; `null` until known. */
  readonly bitrate: number | null;
  /** Last program clock base, 1/90000 s. */
  readonly pcr: number | null;
  readonly lastPcrAt: number | null;
  readonly clock: ClockStats;
  readonly units: UnitStats;
  /** What the tables promise; all false until they are known. */
  readonly carries: { readonly video: boolean; readonly audio: boolean; readonly clock: boolean };
}

export function statsOf(
  phase: ChunkerPhase,
  tables: Tables | null,
  { meter, sync, units }: { meter: TsMeter; sync: TsSync; units: UnitWatch },
): TsStats {
  const { packets, nullPackets, scrambledPackets, transportErrors, continuityErrors } = meter;
  const { bitrate, pcr, lastPcrAt, stats: clock } = meter.clock;
  const { syncLosses, droppedBytes, garbage } = sync;
  return {
    phase,
    ...{ packets, nullPackets, scrambledPackets, transportErrors, continuityErrors },
    ...{ syncLosses, droppedBytes, garbage },
    ...{ bitrate, pcr, lastPcrAt, clock },
    units: units.stats,
    carries: {
      video: (tables?.videoPid ?? null) !== null,
      audio: (tables?.audioPids.length ?? 0) > 0,
      clock: (tables?.pcrPid ?? NULL_PID) !== NULL_PID,
    },
  };
}
