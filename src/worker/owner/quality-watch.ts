import type { Clock } from '../../shared/clock.js';
import type { Metadata } from '../../shared/redis/owner-store.js';
import type { EngineEnd, EngineStat } from '../contracts.js';
import { loopEnd } from '../engine/engine-fault.js';
import { LivePosition } from '../engine/live-position.js';
import { LoopKind, NO_LOOP, type LoopVerdict } from '../engine/loop-detector.js';
import { StreamQuality, type QualityFault, type QualityReport } from '../engine/stream-quality.js';
import type { TsStats } from '../engine/ts-stats.js';
import type { EngineSlots } from './engine-runner.js';
import { FAULT_WORDS } from './fault-story.js';
import { LoopPatience } from './loop-patience.js';
import { seconds } from './stream-story.js';

/** What is counted of all streams together. */
export interface QualityMetrics {
  /** Losses by kind: `continuity`, `transport`, `sync`. */
  streamLosses(kind: string, count: number): void;
  /** A lasting fault began. */
  streamFault(fault: QualityFault): void;
  /** The program clock of a running stream, ms. */
  streamClock(intervalMaxMs: number, jitterMs: number): void;
}

export interface QualityWatchOptions {
  readonly inheritedFields: Readonly<Record<string, string>>;
  readonly metrics: QualityMetrics;
  /** Told of lasting faults. */
  readonly story: { note(what: string, why: string): void };
  /** Told what a minute on an engine was like. */
  readonly slots: Pick<EngineSlots, 'suffered'>;
  /** The engine of a session that is taken over. */
  readonly engine: string | null;
  readonly clock: Clock;
}

/** Something that can say whether it loops: the source that is read. */
export interface LoopSource {
  loop(liveFrozen: boolean): LoopVerdict;
}

/** ms; a fault that comes and goes is told once in this time. */
const TELL_AGAIN_MS = 60_000;
/** ms between two words about an engine, and between two looks at the clock for the metrics. */
const MARK_MS = 60_000;
const CLOCK_MS = 10_000;

/** Counters of a source by their field in the metadata: they go on over sources and owners. */
const COUNTERS: Readonly<Record<string, (stats: TsStats) => number>> = {
  continuity_errors: (stats) => stats.continuityErrors,
  sync_losses: (stats) => stats.syncLosses,
  transport_errors: (stats) => stats.transportErrors,
  scrambled_packets: (stats) => stats.scrambledPackets,
  pcr_late: ({ clock }) => clock.lateReferences,
  pcr_jumps: ({ clock }) => clock.jumps,
  pcr_regressions: ({ clock }) => clock.regressions,
  pts_regressions: ({ units }) => units.stampRegressions,
};
const LOSSES = [
  ['continuity', 'continuity_errors'],
  ['transport', 'transport_errors'],
  ['sync', 'sync_losses'],
] as const;

/**
 * What the packets of a stream say about it: fields, story lines, metrics and the word about the engine,
 * and whether a source that loops is left.
 */
export class QualityWatch {
  readonly #options: QualityWatchOptions;
  readonly #live = new LivePosition();
  readonly #patience = new LoopPatience();
  readonly #totals: Record<string, number> = {};
  readonly #active = new Map<QualityFault, { readonly since: number; readonly told: boolean }>();
  readonly #toldAt = new Map<QualityFault, number>();
  #quality = new StreamQuality();
  #stats: TsStats | null = null;
  #verdict: LoopVerdict = NO_LOOP;
  #loops: number;
  #engine: string | null;
  #markedAt: number;
  #clockAt: number;

  constructor(options: QualityWatchOptions) {
    this.#options = options;
    const { inheritedFields: fields, clock } = options;
    for (const name of Object.keys(COUNTERS)) this.#totals[name] = countIn(fields, name);
    this.#loops = countIn(fields, 'loops');
    this.#engine = options.engine;
    this.#markedAt = clock.monotonic();
    this.#clockAt = this.#markedAt;
  }

  /** Another session: what its engine said before means nothing now. */
  connecting(engine: string): void {
    this.#engine = engine;
    this.#live.reset();
  }

  heard(stat: EngineStat): void {
    this.#live.take(stat, this.#options.clock.monotonic());
  }

  /** A new source is read; `last` are the final counters of the one before. */
  opened(last: TsStats | null): void {
    if (last !== null) this.#count(last);
    this.#stats = null;
    this.#quality = new StreamQuality();
    this.#verdict = NO_LOOP;
    this.#markedAt = this.#options.clock.monotonic();
  }

  /** Asked after every read of the source: why it is to be left, or `null`. */
  judge(source: LoopSource): EngineEnd | null {
    this.#verdict = source.loop(this.#live.frozen);
    if (this.#verdict.kind !== LoopKind.Replay) return null;
    if (!this.#patience.leave(this.#options.clock.monotonic())) return null;
    this.#loops += 1;
    return loopEnd(this.#verdict.periodMs);
  }

  /** Looks at the source that plays and returns the fields that say how it is. */
  look(stats: TsStats): Metadata {
    const { clock } = this.#options;
    const now = clock.monotonic();
    this.#count(stats);
    const { kind, periodMs } = this.#verdict;
    const report = this.#quality.look(stats, now, {
      repeats: kind === LoopKind.Repeats,
      replay: kind === LoopKind.Replay,
      liveFrozen: this.#live.frozen,
    });
    this.#tell(report.faults, now);
    this.#mark(report, now);
    this.#measureClock(stats, now);
    return {
      ...this.#totals,
      quality: report.grade,
      quality_faults: report.faults.join(','),
      losses_per_minute: report.lossesPerMinute,
      loops: this.#loops,
      loop_ms: periodMs,
      has_video: stats.carries.video ? 1 : 0,
      has_audio: stats.carries.audio ? 1 : 0,
      pcr_interval_max_ms: tenths(stats.clock.intervalMaxMs),
      pcr_interval_mean_ms: tenths(stats.clock.intervalMeanMs),
      pcr_jitter_ms: tenths(stats.clock.jitterMs),
    };
  }

  #count(stats: TsStats): void {
    const { metrics } = this.#options;
    const before = this.#stats;
    const grown = (name: string): number => {
      const counter = COUNTERS[name];
      if (counter === undefined) return 0;
      return counter(stats) - (before === null ? 0 : counter(before));
    };
    for (const name of Object.keys(COUNTERS)) {
      this.#totals[name] = (this.#totals[name] ?? 0) + grown(name);
    }
    for (const [kind, name] of LOSSES) {
      const more = grown(name);
      if (more > 0) metrics.streamLosses(kind, more);
    }
    this.#stats = stats;
  }

  #tell(faults: readonly QualityFault[], now: number): void {
    const { story, metrics } = this.#options;
    for (const fault of faults) {
      if (this.#active.has(fault)) continue;
      metrics.streamFault(fault);
      const told = now - (this.#toldAt.get(fault) ?? -TELL_AGAIN_MS) >= TELL_AGAIN_MS;
      this.#active.set(fault, { since: now, told });
      if (!told) continue;
      this.#toldAt.set(fault, now);
      const { begin, why } = FAULT_WORDS[fault];
      story.note(begin, why);
    }
    for (const [fault, { since, told }] of this.#active) {
      if (faults.includes(fault)) continue;
      this.#active.delete(fault);
      if (told) story.note(FAULT_WORDS[fault].end, `after ${seconds(now - since)}`);
    }
  }

  #mark({ lossesPerMinute }: QualityReport, now: number): void {
    if (this.#engine === null || now - this.#markedAt < MARK_MS) return;
    this.#markedAt = now;
    if (lossesPerMinute > 0) this.#options.slots.suffered(this.#engine, lossesPerMinute);
  }

  #measureClock({ clock: { intervalMaxMs, jitterMs } }: TsStats, now: number): void {
    if (now - this.#clockAt < CLOCK_MS) return;
    this.#clockAt = now;
    if (intervalMaxMs !== null && jitterMs !== null) {
      this.#options.metrics.streamClock(intervalMaxMs, jitterMs);
    }
  }
}

function countIn(fields: Readonly<Record<string, string>>, name: string): number {
  const value = Number(fields[name] ?? 0);
  return Number.isFinite(value) ? value : 0;
}

/** Empty: not known. */
function tenths(ms: number | null): number | string {
  return ms === null ? '' : Math.round(ms * 10) / 10;
}
