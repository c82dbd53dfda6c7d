import { readStamp, payloadSum, StampWriter } from './stamp-format.js';
import {
  hasPayload,
  PACKET,
  payloadOffset,
  pcrOffset,
  pidOf,
  readPcr,
  readTimestamp,
  timestampOffsets,
  writePcr,
  writeTimestamp,
} from './ts-packet.js';

/** Lets clocks and counters run on over media that is sent again, as a remuxer does. */
export class Restamper {
  readonly #counters = new Map<number, number>();

  /** Changes `bytes`, whole packets in the order of their sending; their clocks move by `seconds`. */
  run(bytes: Buffer, seconds: number): void {
    const ticks = Math.round(seconds * 90_000);
    for (let at = 0; at < bytes.length; at += PACKET) {
      this.#count(bytes, at);
      const stamp = readStamp(bytes, at, payloadOffset(bytes, at));
      const pcr = pcrOffset(bytes, at);
      if (pcr > 0) writePcr(bytes, at + pcr, readPcr(bytes, at + pcr) + ticks * 300);
      for (const offset of timestampOffsets(bytes, at)) {
        writeTimestamp(bytes, at + offset, readTimestamp(bytes, at + offset) + ticks);
      }
      if (stamp === null) continue;
      const writer = new StampWriter(stamp.wallMs, stamp.session);
      writer.write(bytes, at, stamp.number, payloadSum(bytes, at, payloadOffset(bytes, at)));
    }
  }

  #count(bytes: Buffer, at: number): void {
    const pid = pidOf(bytes, at);
    const before = this.#counters.get(pid);
    const own = bytes[at + 3]! & 15;
    const counter = before === undefined ? own : (before + (hasPayload(bytes, at) ? 1 : 0)) & 15;
    this.#counters.set(pid, counter);
    bytes[at + 3] = (bytes[at + 3]! & 0xf0) | counter;
  }
}
