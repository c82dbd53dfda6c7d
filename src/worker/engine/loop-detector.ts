/** Whether a source plays what it has played before. */
export const LoopKind = {
  None: 'none',
  /** The same pictures with new time stamps: a broadcaster's slate looks like this too. */
  Repeats: 'repeats',
  /** Old media is sent again: this source has no live picture any more. */
  Replay: 'replay',
} as const;
export type LoopKind = (typeof LoopKind)[keyof typeof LoopKind];

export interface LoopVerdict {
  readonly kind: LoopKind;
  /** ms of media that come again and again; 0 without a loop. */
  readonly periodMs: number;
}

/** Some access units in a row. */
export interface Segment {
  /** 32 bits of what is in it. */
  readonly print: number;
  /** Time stamp of its first unit in 1/90000 s, and its length; `null`: it has none. */
  readonly stamp: number | null;
  readonly ticks: number;
  /** False where nothing is shown but what was there before: still pictures. */
  readonly rich: boolean;
}

export const NO_LOOP: LoopVerdict = { kind: LoopKind.None, periodMs: 0 };

const TICKS_PER_MS = 90;
/** Segments that are remembered: about 20 min of video; a longer loop is not seen. */
export const LOOP_MEMORY = 4_096;
/**
 * Segments beyond a whole pass. An engine that was stalled may send some seconds once more and then
 * goes on with new media: only a third pass shows that it does not.
 */
const BEYOND_ONE_PASS = 2;
/** ms of media sent again with the same time stamps. */
const REPLAY_MS = 10_000;
/** ms; a replay of this length is left without waiting for its end. */
const LONG_REPLAY_MS = 60_000;
/** ms and passes with new time stamps until it is called a repetition. */
const REPEAT_MS = 120_000;
const REPEAT_PASSES = 3;
/** The same while the engine's own live position stands still. */
const FROZEN_REPEAT_MS = 20_000;
/**
 * Segments that must match before a distance is followed: a pass that has the same picture twice would
 * otherwise lead to ever another distance.
 */
const CONTEXT = 4;
/**
 * Different rich segments in a pass, and ms of it, where time stamps run on. A still picture has one or
 * two as long as it lasts; a test tone comes round within some seconds.
 */
const MIN_VARIETY = 8;
const MIN_PASS_MS = 5_000;

/**
 * Finds loops in the fingerprints of a source's segments, each some seconds or less. Matches must come
 * one after the other at the same distance, for longer than the distance itself: a repeated trailer, a
 * title sequence or an advertisement never does that. Memory and work per segment are constant.
 */
export class LoopDetector {
  readonly #prints = new Uint32Array(LOOP_MEMORY);
  readonly #stamps = new Float64Array(LOOP_MEMORY);
  readonly #ticks = new Float64Array(LOOP_MEMORY);
  readonly #rich = new Uint8Array(LOOP_MEMORY);
  /** Of the last `CONTEXT` segments, and where each of these was last. */
  readonly #contexts = new Uint32Array(LOOP_MEMORY);
  readonly #latest = new Map<number, number>();
  #count = 0;
  /** Distance of the loop that is followed, in segments; 0: none. */
  #lag = 0;
  /** Segments in a row that were the same `#lag` ago, and their time in ticks. */
  #run = 0;
  #runTicks = 0;
  /** The same, with the same time stamps. */
  #replay = 0;
  #replayTicks = 0;
  #variety: { readonly count: number; readonly enough: boolean } | null = null;

  /** Takes the next segment of the source. */
  push(segment: Segment): void {
    const { print, stamp, ticks } = segment;
    const index = this.#count;
    const hash = print >>> 0;
    const context = this.#contextOf(hash);
    const goesOn = this.#lag > 0 && this.#prints[slotOf(index - this.#lag)] === hash;
    const before = goesOn ? undefined : this.#latest.get(context);
    if (!goesOn) this.#follow(before === undefined ? 0 : index - before);
    if (this.#lag > 0) this.#extend(stamp, slotOf(index - this.#lag), ticks);
    this.#remember(index, context, segment);
  }

  /** `liveFrozen`: the engine says that its live position stands still. */
  verdict(liveFrozen: boolean): LoopVerdict {
    if (this.#lag === 0) return NO_LOOP;
    if (this.#isReplay()) return this.#found(LoopKind.Replay);
    const whole = this.#run >= this.#lag + BEYOND_ONE_PASS;
    const long = this.#runTicks >= FROZEN_REPEAT_MS * TICKS_PER_MS;
    if (!whole || !long || !this.#isVaried()) return NO_LOOP;
    if (liveFrozen) return this.#found(LoopKind.Replay);
    const often = this.#run >= this.#lag * REPEAT_PASSES;
    return often && this.#runTicks >= REPEAT_MS * TICKS_PER_MS
      ? this.#found(LoopKind.Repeats)
      : NO_LOOP;
  }

  #contextOf(hash: number): number {
    let context = hash;
    for (let back = 1; back < CONTEXT; back += 1) {
      const earlier = this.#prints[slotOf(this.#count - back)] ?? 0;
      context = (Math.imul(context, 31) + earlier) >>> 0;
    }
    return context;
  }

  /** The segments of the context match too; they are counted, the newest is still to come. */
  #follow(lag: number): void {
    this.#lag = lag;
    this.#run = 0;
    this.#runTicks = 0;
    this.#replay = 0;
    this.#replayTicks = 0;
    if (lag === 0) return;
    for (let back = CONTEXT - 1; back > 0; back -= 1) {
      const slot = slotOf(this.#count - back);
      const stamp = this.#stamps[slot] ?? Number.NaN;
      this.#extend(stamp, slotOf(this.#count - back - lag), this.#ticks[slot] ?? 0);
    }
  }

  #extend(stamp: number | null, earlier: number, ticks: number): void {
    this.#run += 1;
    this.#runTicks += ticks;
    const same = this.#stamps[earlier] === stamp;
    this.#replay = same ? this.#replay + 1 : 0;
    this.#replayTicks = same ? this.#replayTicks + ticks : 0;
  }

  #remember(index: number, context: number, { print, stamp, ticks, rich }: Segment): void {
    const slot = slotOf(index);
    const forgotten = this.#contexts[slot] ?? 0;
    if (this.#latest.get(forgotten) === index - LOOP_MEMORY) this.#latest.delete(forgotten);
    this.#prints[slot] = print;
    this.#contexts[slot] = context;
    this.#stamps[slot] = stamp ?? Number.NaN;
    this.#ticks[slot] = ticks;
    this.#rich[slot] = rich ? 1 : 0;
    this.#latest.set(context, index);
    this.#count = index + 1;
  }

  #isReplay(): boolean {
    if (this.#replayTicks < REPLAY_MS * TICKS_PER_MS) return false;
    const whole = this.#replay >= this.#lag + BEYOND_ONE_PASS;
    return whole || this.#replayTicks >= LONG_REPLAY_MS * TICKS_PER_MS;
  }

  /** Looked at once per segment: a pass may have thousands. */
  #isVaried(): boolean {
    if (this.#variety?.count !== this.#count) {
      const seen = new Set<number>();
      for (let back = 1; back <= this.#lag && seen.size < MIN_VARIETY; back += 1) {
        const slot = slotOf(this.#count - back);
        if (this.#rich[slot] === 1) seen.add(this.#prints[slot] ?? 0);
      }
      const enough = seen.size >= MIN_VARIETY && this.#passMs() >= MIN_PASS_MS;
      this.#variety = { count: this.#count, enough };
    }
    return this.#variety.enough;
  }

  #found(kind: LoopKind): LoopVerdict {
    return { kind, periodMs: Math.round(this.#passMs()) };
  }

  #passMs(): number {
    let ticks = 0;
    for (let back = 1; back <= this.#lag; back += 1) {
      ticks += this.#ticks[slotOf(this.#count - back)] ?? 0;
    }
    return ticks / TICKS_PER_MS;
  }
}

/** Also of an index up to two memories below 0. */
function slotOf(index: number): number {
  return (index + 2 * LOOP_MEMORY) % LOOP_MEMORY;
}
