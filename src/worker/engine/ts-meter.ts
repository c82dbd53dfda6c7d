import {
  adaptationFlags,
  counterOf,
  DISCONTINUITY_INDICATOR,
  hasPayload,
  isScrambled,
  NULL_PID,
  PACKET_SIZE,
  pcrBase,
  PID_COUNT,
  pidOf,
} from '../../shared/mpegts/packet.js';

/** How a packet follows the one before it on its PID. */
export const Continuity = { First: 0, Next: 1, Duplicate: 2, Jump: 3 } as const;
export type Continuity = (typeof Continuity)[keyof typeof Continuity];

const CLOCK_HZ = 90_000;
const CLOCK_WRAP = 2 ** 33;
/** The bit rate is measured over at least this much stream time. */
const RATE_WINDOW = 2 * CLOCK_HZ;
/** A step beyond this is a new clock and says nothing about the rate. */
const CLOCK_JUMP = 10 * CLOCK_HZ;

/** Counts packets and watches continuity counters and the program clock of one source. */
export class TsMeter {
  packets = 0;
  nullPackets = 0;
  scrambledPackets = 0;
  /** Counter jumps without a discontinuity mark, all PIDs together. */
  continuityErrors = 0;
  /** bits/s over the last seconds of the program clock; `null` until known. */
  bitrate: number | null = null;
  /** Last program clock base, 1/90000 s. */
  pcr: number | null = null;
  /** When the last program clock came, in the caller's `now`. */
  lastPcrAt: number | null = null;

  readonly #counters = new Int8Array(PID_COUNT).fill(-1);
  #pcrPid = NULL_PID;
  #windowPcr: number | null = null;
  #windowPackets = 0;

  /** Of which PID the clock is read. */
  follow(pcrPid: number): void {
    if (pcrPid === this.#pcrPid) return;
    this.#pcrPid = pcrPid;
    this.#windowPcr = null;
  }

  hasSeen(pid: number): boolean {
    return (this.#counters[pid] ?? -1) >= 0;
  }

  /** The counter of the last packet on every PID that was seen. */
  counters(): Map<number, number> {
    const seen = new Map<number, number>();
    this.#counters.forEach((counter, pid) => {
      if (counter >= 0) seen.set(pid, counter);
    });
    return seen;
  }

  /** Takes every packet once, in order. */
  observe(bytes: Buffer, at: number, header: number, now: number): Continuity {
    this.packets += 1;
    const pid = pidOf(header);
    if (pid === NULL_PID) {
      this.nullPackets += 1;
      return Continuity.Next;
    }
    if (isScrambled(header)) this.scrambledPackets += 1;
    if (pid === this.#pcrPid) this.#observeClock(bytes, at, header, now);
    const last = this.#counters[pid] ?? -1;
    const counter = counterOf(header);
    this.#counters[pid] = counter;
    if (last < 0) return Continuity.First;
    if (counter === ((last + (hasPayload(header) ? 1 : 0)) & 0x0f)) return Continuity.Next;
    if (counter === last) return Continuity.Duplicate;
    if ((adaptationFlags(bytes, at, header) & DISCONTINUITY_INDICATOR) === 0) {
      this.continuityErrors += 1;
    }
    return Continuity.Jump;
  }

  #observeClock(bytes: Buffer, at: number, header: number, now: number): void {
    const pcr = pcrBase(bytes, at, header);
    if (pcr === null) return;
    this.pcr = pcr;
    this.lastPcrAt = now;
    const elapsed =
      this.#windowPcr === null ? CLOCK_WRAP : (pcr - this.#windowPcr + CLOCK_WRAP) % CLOCK_WRAP;
    if (elapsed < RATE_WINDOW) return;
    if (elapsed < CLOCK_JUMP) {
      const bits = (this.packets - this.#windowPackets) * PACKET_SIZE * 8;
      this.bitrate = Math.round((bits * CLOCK_HZ) / elapsed);
    }
    this.#windowPcr = pcr;
    this.#windowPackets = this.packets;
  }
}
