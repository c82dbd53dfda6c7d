import type { TsStats } from './ts-stats.js';

/** What may be wrong with a source for as long as it lasts; indicators of ETSI TR 101 290 in brackets. */
export const QualityFault = {
  /** The tables name video and none comes, while other packets do (1.6 PID_error). */
  VideoSilent: 'video_silent',
  /** The same with audio. */
  AudioSilent: 'audio_silent',
  /** Pictures come and their time stamps do not move on (2.5 PTS_error). */
  StampsFrozen: 'timestamps_frozen',
  /** The program clock stands still or is missing (2.3a PCR_repetition_error). */
  ClockStopped: 'clock_stopped',
  /** No picture with which a player could begin. */
  NoKeyframe: 'no_keyframe',
  /** Packets that nobody can show without a key. */
  Scrambled: 'scrambled',
  /** Continuity and transport errors, sync losses (1.1, 1.4, 2.1). */
  PacketLoss: 'packet_loss',
  /** The same programme again and again, with new time stamps. */
  Repeats: 'repeats',
  /** Old media again, from every engine that was tried. */
  Replay: 'replay',
  /** The engine says itself that its live position stands still. */
  LiveFrozen: 'live_frozen',
} as const;
export type QualityFault = (typeof QualityFault)[keyof typeof QualityFault];

export type Grade = 'good' | 'fair' | 'bad';

export interface QualityReport {
  readonly grade: Grade;
  readonly faults: readonly QualityFault[];
  /** Continuity errors, transport errors and sync losses of the last minute. */
  readonly lossesPerMinute: number;
}

/** ms in which packets flow and something else does not. TR 101 290 leaves 1.6 to the user: 5 s. */
const LIMITS = {
  video: 5_000,
  audio: 5_000,
  stamps: 5_000,
  clock: 3_000,
  keyframe: 20_000,
} as const;
type Signal = keyof typeof LIMITS;
const SIGNALS = Object.keys(LIMITS) as Signal[];

const MINUTE_MS = 60_000;
/** Losses per minute that a viewer is bound to see. */
const MANY_LOSSES = 10;

/** Faults with which there is nothing to be seen, or not what is on air. The others are marks against it. */
const SEVERE: ReadonlySet<QualityFault> = new Set([
  QualityFault.VideoSilent,
  QualityFault.StampsFrozen,
  QualityFault.Scrambled,
  QualityFault.PacketLoss,
  QualityFault.Replay,
]);

/** What is known of a source beside its packets. */
export interface Hints {
  readonly repeats: boolean;
  readonly replay: boolean;
  readonly liveFrozen: boolean;
}

interface Sample {
  readonly at: number;
  readonly losses: number;
}

/**
 * Judges one source by what its counters did between two looks. Silence counts only while other
 * packets come: a stall is not a fault of the video.
 */
export class StreamQuality {
  /** ms in which packets came, and at which of these each signal was last seen to move. */
  #flowMs = 0;
  readonly #movedAt: Record<Signal, number> = {
    ...{ video: 0, audio: 0, stamps: 0, clock: 0, keyframe: 0 },
  };
  #before: TsStats | null = null;
  #lookedAt = 0;
  #scrambled = false;
  #samples: Sample[] = [];

  /** `stats` of the source as they are at `now`, monotonic ms. */
  look(stats: TsStats, now: number, hints: Hints): QualityReport {
    this.#follow(stats, now);
    this.#before = stats;
    this.#lookedAt = now;
    const lossesPerMinute = this.#countLosses(stats, now);
    const faults = this.#faults(stats, lossesPerMinute, hints);
    return { grade: gradeOf(faults, lossesPerMinute), faults, lossesPerMinute };
  }

  #follow(stats: TsStats, now: number): void {
    const before = this.#before;
    if (before === null || before.phase !== stats.phase) {
      for (const signal of SIGNALS) this.#movedAt[signal] = this.#flowMs;
      return;
    }
    const packets = stats.packets - before.packets;
    if (packets === 0) return;
    this.#flowMs += now - this.#lookedAt;
    for (const signal of SIGNALS) {
      if (countOf(stats, signal) !== countOf(before, signal)) this.#movedAt[signal] = this.#flowMs;
    }
    const media = packets - (stats.nullPackets - before.nullPackets);
    this.#scrambled = (stats.scrambledPackets - before.scrambledPackets) * 2 > media;
  }

  #countLosses(stats: TsStats, now: number): number {
    const losses = stats.continuityErrors + stats.transportErrors + stats.syncLosses;
    this.#samples.push({ at: now, losses });
    // One sample older than a minute stays, so that there is always something to subtract.
    while ((this.#samples[1]?.at ?? now) <= now - MINUTE_MS) this.#samples.shift();
    return losses - (this.#samples[0]?.losses ?? losses);
  }

  #faults(stats: TsStats, lossesPerMinute: number, hints: Hints): QualityFault[] {
    const { video, audio, clock } = stats.carries;
    const silent = (signal: Signal): boolean =>
      this.#flowMs - this.#movedAt[signal] >= LIMITS[signal];
    const videoSilent = video && silent('video');
    const audioSilent = audio && silent('audio');
    const leadSilent = video ? videoSilent : audioSilent;
    const { VideoSilent, AudioSilent, StampsFrozen, ClockStopped, NoKeyframe } = QualityFault;
    const { Scrambled, PacketLoss, Repeats, Replay, LiveFrozen } = QualityFault;
    const found: readonly (readonly [boolean, QualityFault])[] = [
      [videoSilent, VideoSilent],
      [audioSilent, AudioSilent],
      // Time stamps of scrambled pictures cannot be read.
      [(video || audio) && !leadSilent && !this.#scrambled && silent('stamps'), StampsFrozen],
      [clock && silent('clock'), ClockStopped],
      [video && !videoSilent && silent('keyframe'), NoKeyframe],
      [this.#scrambled, Scrambled],
      [lossesPerMinute >= MANY_LOSSES, PacketLoss],
      [hints.repeats, Repeats],
      [hints.replay, Replay],
      [hints.liveFrozen, LiveFrozen],
    ];
    return found.filter(([is]) => is).map(([, fault]) => fault);
  }
}

function countOf({ units, clock }: TsStats, signal: Signal): number {
  switch (signal) {
    case 'video':
      return units.video;
    case 'audio':
      return units.audio;
    case 'stamps':
      return units.stampAdvances;
    case 'clock':
      return clock.advances;
    case 'keyframe':
      return units.keyframes;
  }
}

function gradeOf(faults: readonly QualityFault[], lossesPerMinute: number): Grade {
  if (faults.some((fault) => SEVERE.has(fault))) return 'bad';
  return faults.length > 0 || lossesPerMinute > 0 ? 'fair' : 'good';
}
