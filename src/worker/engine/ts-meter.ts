import {
  adaptationFlags,
  counterOf,
  DISCONTINUITY_INDICATOR,
  hasPayload,
  headerAt,
  isBroken,
  isScrambled,
  isScrambledOrBroken,
  NULL_PID,
  PACKET_SIZE,
  PID_COUNT,
  pidOf,
  plainHeader,
} from '../../shared/mpegts/packet.js';
import { ProgramClock } from './ts-pcr.js';

/** How a packet follows the one before it on its PID. */
export const Continuity = { First: 0, Next: 1, Duplicate: 2, Jump: 3 } as const;
export type Continuity = (typeof Continuity)[keyof typeof Continuity];

/** Counts packets and watches continuity counters and the program clock of one source. */
export class TsMeter {
  packets = 0;
  nullPackets = 0;
  scrambledPackets = 0;
  /** Packets that a demodulator marked as broken: Transport_error, ETSI TR 101 290 2.1. */
  transportErrors = 0;
  /** Counter jumps without a mark, all PIDs together: Continuity_count_error, TR 101 290 1.4. */
  continuityErrors = 0;
  readonly clock = new ProgramClock();
  /**
   * Monotonic ms at which the packets that follow arrived. A fraction given with every packet would be an object
   * of the heap each time: a tenth of a worker's garbage.
   */
  arrivedAt = 0;

  readonly #counters = new Int8Array(PID_COUNT).fill(-1);
  #pcrPid = NULL_PID;

  /** Of which PID the clock is read. */
  follow(pcrPid: number): void {
    if (pcrPid === this.#pcrPid) return;
    this.#pcrPid = pcrPid;
    this.clock.restart();
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
  observe(bytes: Buffer, at: number, header: number): Continuity {
    this.packets += 1;
    const pid = pidOf(header);
    if (pid === NULL_PID) {
      this.nullPackets += 1;
      return Continuity.Next;
    }
    if (isScrambledOrBroken(header)) this.#observeDamage(header);
    if (pid === this.#pcrPid) this.#observeClock(bytes, at, header);
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

  /**
   * Takes the packets from `at` to before `end` that go on with `pid` in plain payload and returns where the
   * first other one begins. What `observe` would count, by one comparison of the header.
   */
  passPlain(bytes: Buffer, at: number, end: number, pid: number): number {
    let counter = this.#counters[pid] ?? -1;
    if (counter < 0) return at;
    let next = at;
    while (next < end && headerAt(bytes, next) === plainHeader(pid, counter + 1)) {
      counter = (counter + 1) & 0x0f;
      next += PACKET_SIZE;
    }
    this.#counters[pid] = counter;
    this.packets += (next - at) / PACKET_SIZE;
    return next;
  }

  #observeClock(bytes: Buffer, at: number, header: number): void {
    this.clock.observe(bytes, at, header, this.packets, this.arrivedAt);
  }

  #observeDamage(header: number): void {
    if (isScrambled(header)) this.scrambledPackets += 1;
    if (isBroken(header)) this.transportErrors += 1;
  }
}
