import { readStamp, type Stamp } from './stamp-format.js';
import {
  adaptationFlags,
  hasPayload,
  PACKET,
  payloadOffset,
  PID,
  pidOf,
  startsUnit,
  SYNC,
} from './ts-packet.js';

const KEPT_FIRST = 20;
const KEPT_JUMPS = 1000;
const KEPT_MISSING = 10_000;
/** Three sync bytes at packet distance make a grid. */
const GRID = 3;

export interface FirstPacket {
  pid: number;
  /** random_access_indicator, discontinuity_indicator, payload_unit_start_indicator. */
  rai: boolean;
  discontinuity: boolean;
  pusi: boolean;
}

/** A place where the numbering did not go on by one. */
export interface Jump {
  from: number;
  to: number;
  marked: boolean;
  atMs: number;
}

/** What a player received. Times are wall-clock ms; counts are packets unless said. */
export interface StampReport {
  packets: number;
  stamped: number;
  /** Numbers that never came and that no discontinuity_indicator announced. */
  lost: number;
  /** Numbers that were skipped behind a discontinuity_indicator. */
  skipped: number;
  duplicated: number;
  reordered: number;
  /** Jumps of the numbering, forward or back, that a discontinuity_indicator announced. */
  marked: number;
  /** Stamped packets whose payload is not what the engine sent. */
  corrupt: number;
  /** How often the 188-byte grid was lost, and how many bytes went by until it was found again. */
  misaligned: number;
  skippedBytes: number;
  nullPackets: number;
  ccErrors: number;
  firstPackets: FirstPacket[];
  firstStamp: number | null;
  lastStamp: number | null;
  lastStampAt: number | null;
  /** From the engine's write to `push`, in ms, one for each `push` that brought a stamp. */
  latencies: number[];
  /** The longest time between two pushes that brought stamps, in ms. */
  longestSilenceMs: number;
  /** Session ordinals in the order of their first appearance. */
  sessions: number[];
  jumps: Jump[];
}

function emptyReport(): StampReport {
  return {
    packets: 0,
    stamped: 0,
    lost: 0,
    skipped: 0,
    duplicated: 0,
    reordered: 0,
    marked: 0,
    corrupt: 0,
    misaligned: 0,
    skippedBytes: 0,
    nullPackets: 0,
    ccErrors: 0,
    firstPackets: [],
    firstStamp: null,
    lastStamp: null,
    lastStampAt: null,
    latencies: [],
    longestSilenceMs: 0,
    sessions: [],
    jumps: [],
  };
}

/**
 * Reads what a player was sent and counts every packet of the synthetic channel that is missing, double, late or
 * changed. Copies of PAT and PMT, null packets and packets without payload may be inserted anywhere.
 */
export class StampChecker {
  readonly #report = emptyReport();
  readonly #missing = new Set<number>();
  readonly #counters = new Map<number, number>();
  #rest: Buffer = Buffer.alloc(0);
  #aligned = true;
  #announced = false;

  /** `nowMs` is when the bytes came in. */
  push(bytes: Uint8Array, nowMs: number = Date.now()): void {
    const input = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const all = this.#rest.length > 0 ? Buffer.concat([this.#rest, input]) : input;
    let at = 0;
    while (all.length - at >= PACKET) {
      if (this.#aligned && all[at] === SYNC) {
        this.#packet(all, at, nowMs);
        at += PACKET;
        continue;
      }
      const found = this.#resynchronise(all, at);
      at = found.at;
      if (!found.aligned) break;
    }
    this.#rest = Buffer.from(all.subarray(at));
  }

  report(): Readonly<StampReport> {
    return this.#report;
  }

  /** Goes on to the next place with `GRID` sync bytes; without one, to where more bytes are needed. */
  #resynchronise(all: Buffer, from: number): { at: number; aligned: boolean } {
    if (this.#aligned) this.#report.misaligned += 1;
    this.#aligned = false;
    let at = from;
    const last = all.length - (GRID - 1) * PACKET;
    while (at < last && !isGrid(all, at)) at += 1;
    this.#report.skippedBytes += at - from;
    this.#aligned = at < last;
    return { at, aligned: this.#aligned };
  }

  #packet(all: Buffer, at: number, nowMs: number): void {
    const report = this.#report;
    const pid = pidOf(all, at);
    const flags = adaptationFlags(all, at);
    const discontinuity = (flags & 0x80) !== 0;
    report.packets += 1;
    if (report.firstPackets.length < KEPT_FIRST) {
      report.firstPackets.push({
        pid,
        rai: (flags & 0x40) !== 0,
        discontinuity,
        pusi: startsUnit(all, at),
      });
    }
    if (pid === PID.null) {
      report.nullPackets += 1;
      return;
    }
    if (discontinuity) this.#announced = true;
    this.#checkCounter(all, at, pid, discontinuity);
    const stamp = readStamp(all, at, payloadOffset(all, at));
    if (stamp) this.#stamp(stamp, nowMs);
  }

  /** ISO/IEC 13818-1, 2.4.3.3: moves on with each payload, may jump only behind the discontinuity indicator. */
  #checkCounter(all: Buffer, at: number, pid: number, discontinuity: boolean): void {
    const counter = all[at + 3]! & 15;
    const before = this.#counters.get(pid);
    this.#counters.set(pid, counter);
    if (before === undefined || discontinuity) return;
    const expected = hasPayload(all, at) ? (before + 1) & 15 : before;
    // Tables are inserted as copies, whose counters say nothing about loss.
    if (counter !== expected && pid !== PID.pat && pid !== PID.pmt) this.#report.ccErrors += 1;
  }

  #stamp(stamp: Stamp, nowMs: number): void {
    const report = this.#report;
    if (!stamp.intact) {
      report.corrupt += 1;
      return;
    }
    report.stamped += 1;
    this.#date(stamp, nowMs);
    if (!report.sessions.includes(stamp.session)) report.sessions.push(stamp.session);
    const expected = report.lastStamp === null ? stamp.number : report.lastStamp + 1;
    if (stamp.number !== expected) this.#jump(expected, stamp.number, nowMs);
    else report.lastStamp = stamp.number;
    report.firstStamp ??= stamp.number;
    this.#announced = false;
  }

  #date(stamp: Stamp, nowMs: number): void {
    const report = this.#report;
    if (report.lastStampAt !== nowMs) {
      report.latencies.push(nowMs - stamp.wallMs);
      if (report.lastStampAt !== null) {
        report.longestSilenceMs = Math.max(report.longestSilenceMs, nowMs - report.lastStampAt);
      }
    }
    report.lastStampAt = nowMs;
  }

  #jump(expected: number, number: number, atMs: number): void {
    const report = this.#report;
    if (report.jumps.length < KEPT_JUMPS) {
      report.jumps.push({ from: expected, to: number, marked: this.#announced, atMs });
    }
    if (this.#announced) {
      report.marked += 1;
      report.skipped += Math.max(0, number - expected);
      report.lastStamp = number;
    } else if (number > expected) {
      report.lost += number - expected;
      for (let n = expected; n < number && this.#missing.size < KEPT_MISSING; n += 1)
        this.#missing.add(n);
      report.lastStamp = number;
    } else if (this.#missing.delete(number)) {
      report.lost -= 1;
      report.reordered += 1;
    } else {
      report.duplicated += 1;
    }
  }
}

function isGrid(all: Buffer, at: number): boolean {
  for (let i = 0; i < GRID; i += 1) if (all[at + i * PACKET] !== SYNC) return false;
  return true;
}
