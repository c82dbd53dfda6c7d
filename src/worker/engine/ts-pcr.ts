import {
  adaptationFlags,
  DISCONTINUITY_INDICATOR,
  PACKET_SIZE,
  pcrBase,
} from '../../shared/mpegts/packet.js';

/** What the program clock of one source shows. */
export interface ClockStats {
  /** Program clock references that were read. */
  readonly references: number;
  /** References that moved the clock on: it stands still when these do. */
  readonly advances: number;
  /** ms of program time between two references, over the last 5 to 10 s of it; `null` until known. */
  readonly intervalMaxMs: number | null;
  readonly intervalMeanMs: number | null;
  /** ms; the arrival's jitter against the clock, smoothed as in RFC 3550, 6.4.1. */
  readonly jitterMs: number | null;
  /** Intervals above 100 ms: PCR_repetition_error, ETSI TR 101 290 2.3a. */
  readonly lateReferences: number;
  /** Steps ahead of more than a second without a mark: PCR_discontinuity_indicator_error, 2.3b. */
  readonly jumps: number;
  /** Steps back without a mark, also 2.3b. */
  readonly regressions: number;
}

/** 1/90000 s: the unit of time stamps and of the clock's base. */
const CLOCK_HZ = 90_000;
const CLOCK_WRAP = 2 ** 33;
const TICKS_PER_MS = CLOCK_HZ / 1_000;
/** The bit rate is measured over at least this much stream time. */
const RATE_WINDOW = 2 * CLOCK_HZ;
/** A step beyond this is a new clock and says nothing about the rate. */
const CLOCK_JUMP = 10 * CLOCK_HZ;
/** ISO/IEC 13818-1, 2.7.2: a reference at least every 100 ms. */
const LONGEST_INTERVAL = CLOCK_HZ / 10;
/** Lost packets widen an interval; a step beyond this is no interval any more. */
const LONGEST_STEP = CLOCK_HZ;
/** Of program time: how long a half of the interval's window lasts. */
const WINDOW = 5 * CLOCK_HZ;
/** RFC 3550: the share of a new difference in the jitter. */
const JITTER_GAIN = 1 / 16;

/** Largest and sum of the intervals of one half of the window. */
interface Span {
  max: number;
  sum: number;
  count: number;
}

/** `later - earlier` in ticks, -2^32 to 2^32: the clock comes round every 26.5 h. */
export function ticksBetween(earlier: number, later: number): number {
  const ticks = later - earlier;
  if (ticks < -CLOCK_WRAP / 2) return ticks + CLOCK_WRAP;
  return ticks > CLOCK_WRAP / 2 ? ticks - CLOCK_WRAP : ticks;
}

/** Reads the program clock references (PCR) of one source. */
export class ProgramClock {
  /** bits/s over the last seconds of the clock; `null` until known. */
  bitrate: number | null = null;
  /** Last base, 1/90000 s. */
  pcr: number | null = null;
  /** When it came, in the caller's `now`. */
  lastPcrAt: number | null = null;

  #references = 0;
  #advances = 0;
  #lateReferences = 0;
  #jumps = 0;
  #regressions = 0;
  #jitterMs: number | null = null;
  #current: Span = { max: 0, sum: 0, count: 0 };
  #before: Span = { max: 0, sum: 0, count: 0 };
  #windowPcr: number | null = null;
  #windowPackets = 0;

  get stats(): ClockStats {
    const count = this.#current.count + this.#before.count;
    const max = Math.max(this.#current.max, this.#before.max);
    const sum = this.#current.sum + this.#before.sum;
    return {
      references: this.#references,
      advances: this.#advances,
      intervalMaxMs: count === 0 ? null : max / TICKS_PER_MS,
      intervalMeanMs: count === 0 ? null : sum / count / TICKS_PER_MS,
      jitterMs: this.#jitterMs,
      lateReferences: this.#lateReferences,
      jumps: this.#jumps,
      regressions: this.#regressions,
    };
  }

  /** Another PID carries the clock: the next reference begins anew. */
  restart(): void {
    this.pcr = null;
    this.#windowPcr = null;
  }

  /** Takes each packet of the clock's PID; `packets` counts those of the whole source. */
  observe(bytes: Buffer, at: number, header: number, packets: number, now: number): void {
    const pcr = pcrBase(bytes, at, header);
    if (pcr === null) return;
    const marked = (adaptationFlags(bytes, at, header) & DISCONTINUITY_INDICATOR) !== 0;
    this.#references += 1;
    if (this.pcr !== null) this.#step(ticksBetween(this.pcr, pcr), marked, now);
    this.#measureRate(pcr, packets);
    this.pcr = pcr;
    this.lastPcrAt = now;
  }

  #step(ticks: number, marked: boolean, now: number): void {
    if (ticks > 0) this.#advances += 1;
    if (ticks < 0 || ticks > LONGEST_STEP) {
      if (marked) return;
      if (ticks < 0) this.#regressions += 1;
      else this.#jumps += 1;
      return;
    }
    if (ticks === 0) return;
    if (ticks > LONGEST_INTERVAL) this.#lateReferences += 1;
    this.#measureInterval(ticks);
    const late = now - (this.lastPcrAt ?? now) - ticks / TICKS_PER_MS;
    const jitter = this.#jitterMs ?? 0;
    this.#jitterMs = jitter + (Math.abs(late) - jitter) * JITTER_GAIN;
  }

  #measureInterval(ticks: number): void {
    if (this.#current.sum >= WINDOW) {
      this.#before = this.#current;
      this.#current = { max: 0, sum: 0, count: 0 };
    }
    this.#current.max = Math.max(this.#current.max, ticks);
    this.#current.sum += ticks;
    this.#current.count += 1;
  }

  #measureRate(pcr: number, packets: number): void {
    const elapsed =
      this.#windowPcr === null ? CLOCK_WRAP : (pcr - this.#windowPcr + CLOCK_WRAP) % CLOCK_WRAP;
    if (elapsed < RATE_WINDOW) return;
    if (elapsed < CLOCK_JUMP) {
      const bits = (packets - this.#windowPackets) * PACKET_SIZE * 8;
      this.bitrate = Math.round((bits * CLOCK_HZ) / elapsed);
    }
    this.#windowPcr = pcr;
    this.#windowPackets = packets;
  }
}
