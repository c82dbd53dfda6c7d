import { LoopDetector, type LoopVerdict } from './loop-detector.js';
import { ticksBetween } from './ts-pcr.js';

/** What the PES packets of one source show; the first audio stands for all. */
export interface UnitStats {
  /** PES packets that began. */
  readonly video: number;
  readonly audio: number;
  readonly keyframes: number;
  /** Time stamps beyond all before: the picture stands still when these do not come. */
  readonly stampAdvances: number;
  /** Time stamps so far back that no reordering of pictures explains it. */
  readonly stampRegressions: number;
}

/** 13818-1, 2.4.3.6: prefix, stream id, length, two bytes of flags, header length. */
const FIXED_PES_HEADER = 9;
const PTS_FLAG = 0x80;
const PTS_BYTES = 5;
/** Ticks; pictures are sent in another order than shown, but less than a second apart. */
const REORDERING = 90_000;
/** Ticks; a step beyond this is another clock. */
const LONGEST_STEP = 10 * 90_000;
/** One unit in 8 begins a segment: a third of a second of video, a second or two of radio. */
const SEGMENT_MASK = 0x07;
/** Bytes at each end of a unit's first packet that its fingerprint is made of. */
const SAMPLE_BYTES = 32;
/** Bytes that are left of a packet behind its header, a clock reference and a PES header. */
const RICH_BYTES = 130;

/**
 * Watches the access units of one source: whether they come, whether their time stamps move on, and
 * whether they were all there before. A unit is known by the media bytes in its first packet, where
 * the time stamps are not: 64 bytes, most of them coded picture, tell two pictures apart.
 *
 * Units are grouped into segments for the loop detector. A segment begins at a unit whose own hash says
 * so: the same media is cut in the same places again, wherever a loop begins.
 */
export class UnitWatch {
  #video = 0;
  #audio = 0;
  #keyframes = 0;
  #stampAdvances = 0;
  #stampRegressions = 0;
  #newestStamp: number | null = null;
  readonly #loops = new LoopDetector();
  #segment = 0;
  #segmentStamp: number | null = null;
  #segmentTicks = 0;
  #segmentRich = false;
  #lastStamp: number | null = null;
  #begun = false;

  get stats(): UnitStats {
    return {
      video: this.#video,
      audio: this.#audio,
      keyframes: this.#keyframes,
      stampAdvances: this.#stampAdvances,
      stampRegressions: this.#stampRegressions,
    };
  }

  /** `liveFrozen`: the engine itself says that its live position stands still. */
  loop(liveFrozen: boolean): LoopVerdict {
    return this.#loops.verdict(liveFrozen);
  }

  /** A PES of the video begins in the packet with this payload. */
  video(bytes: Buffer, from: number, to: number): void {
    this.#video += 1;
    this.#lead(bytes, from, to);
  }

  /** The same of the audio; `leads` on radio. */
  audio(bytes: Buffer, from: number, to: number, leads: boolean): void {
    this.#audio += 1;
    if (leads) this.#lead(bytes, from, to);
  }

  keyframe(): void {
    this.#keyframes += 1;
  }

  #lead(bytes: Buffer, from: number, to: number): void {
    // Scrambled or no PES: nothing can be read.
    if (to - from < FIXED_PES_HEADER || !hasPrefix(bytes, from)) return;
    const stamp = presentationStamp(bytes, from, to);
    const media = from + FIXED_PES_HEADER + (bytes[from + FIXED_PES_HEADER - 1] ?? 0);
    const print = media < to ? fingerprint(bytes, media, to) : 0;
    this.#followStamp(stamp);
    this.#stretchSegment(stamp);
    if ((print & SEGMENT_MASK) === 0) this.#enterSegment(stamp);
    this.#segment = mix(this.#segment, print);
    if (!this.#segmentRich) this.#segmentRich = isRich(bytes, media, to);
  }

  #followStamp(stamp: number | null): void {
    if (stamp === null) return;
    const step = this.#newestStamp === null ? 1 : ticksBetween(this.#newestStamp, stamp);
    if (step > 0) this.#stampAdvances += 1;
    if (step < -REORDERING) this.#stampRegressions += 1;
    if (step > 0 || step < -REORDERING) this.#newestStamp = stamp;
  }

  /** Back and forth with the order of the pictures; where a loop begins again nothing is added. */
  #stretchSegment(stamp: number | null): void {
    if (stamp === null) return;
    const step = this.#lastStamp === null ? 0 : ticksBetween(this.#lastStamp, stamp);
    if (step >= -REORDERING && step <= LONGEST_STEP) this.#segmentTicks += step;
    this.#lastStamp = stamp;
  }

  #endSegment(): void {
    this.#loops.push({
      print: this.#segment,
      stamp: this.#segmentStamp,
      ticks: this.#segmentTicks,
      rich: this.#segmentRich,
    });
  }

  #enterSegment(stamp: number | null): void {
    if (this.#begun) this.#endSegment();
    this.#begun = true;
    this.#segment = 0;
    this.#segmentStamp = stamp;
    this.#segmentTicks = 0;
    this.#segmentRich = false;
  }
}

function hasPrefix(bytes: Buffer, at: number): boolean {
  return bytes[at] === 0 && bytes[at + 1] === 0 && bytes[at + 2] === 1;
}

/** PTS of 2.4.3.7 in 1/90000 s; `null` when the header has none, or not in this packet. */
function presentationStamp(bytes: Buffer, from: number, to: number): number | null {
  const at = from + FIXED_PES_HEADER;
  if (((bytes[at - 2] ?? 0) & PTS_FLAG) === 0 || at + PTS_BYTES > to) return null;
  const high = ((bytes[at] ?? 0) >>> 1) & 0x07;
  const middle = (((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0)) >>> 1;
  const low = (((bytes[at + 3] ?? 0) << 8) | (bytes[at + 4] ?? 0)) >>> 1;
  return high * 2 ** 30 + middle * 2 ** 15 + low;
}

/**
 * 32 bits of the beginning and the end of `bytes[from..to)`: the end is coded picture even where
 * parameters or a slice header begin the unit. This runs for every picture.
 */
function fingerprint(bytes: Buffer, from: number, to: number): number {
  let hash = to - from;
  const begin = Math.min(to - 3, from + SAMPLE_BYTES);
  for (let at = from; at < begin; at += 4) hash = mix(hash, wordAt(bytes, at));
  const end = Math.max(begin, to - SAMPLE_BYTES);
  for (let at = end; at + 4 <= to; at += 4) hash = mix(hash, wordAt(bytes, at));
  return hash >>> 0;
}

/**
 * Whether there is a picture in the unit: it fills its packet, and not with stuffing. What an encoder
 * sends of a picture that did not change is a few bytes, numbered within the group of pictures.
 */
function isRich(bytes: Buffer, from: number, to: number): boolean {
  if (to - from < RICH_BYTES) return false;
  const last = wordAt(bytes, to - 4);
  return wordAt(bytes, to - 8) !== last || wordAt(bytes, to - 12) !== last;
}

/** Any order of the bytes will do; `readUInt32LE` is several times slower here. */
function wordAt(bytes: Buffer, at: number): number {
  return (
    (bytes[at] ?? 0) |
    ((bytes[at + 1] ?? 0) << 8) |
    ((bytes[at + 2] ?? 0) << 16) |
    ((bytes[at + 3] ?? 0) << 24)
  );
}

/** A round of MurmurHash3; the order of the values counts. */
function mix(hash: number, value: number): number {
  let part = Math.imul(value, 0xcc9e2d51);
  part = Math.imul((part << 15) | (part >>> 17), 0x1b873593);
  const mixed = hash ^ part;
  const turned = Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64;
  return turned ^ (turned >>> 16);
}
