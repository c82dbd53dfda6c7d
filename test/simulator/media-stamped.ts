import { type MediaSource, positionOf, type Sender } from './media-source.js';
import { payloadSum, StampWriter } from './stamp-format.js';
import {
  counterOf,
  type CycleShape,
  SLOT,
  stampedCycle,
  type StampedCycle,
} from './stamped-cycle.js';
import { PACKET, payloadOffset, pcrOffset, writePcr, writeTimestamp } from './ts-packet.js';

/** Presentation follows the clock by this much, as players expect it of a broadcast mux. */
const PTS_AHEAD_MS = 200;

/** The synthetic channel: constant bitrate, every media packet numbered and dated. */
export class StampedSource implements MediaSource {
  readonly #cycle: StampedCycle;
  readonly bytesPerSecond: number;

  constructor(shape: CycleShape) {
    this.#cycle = stampedCycle(shape);
    this.bytesPerSecond = (this.#cycle.packets * PACKET * 1000) / this.#cycle.durationMs;
  }

  positionAt(atMs: number): number {
    const { packets, durationMs } = this.#cycle;
    return positionOf(atMs, this.#cycle, (ms) => Math.floor((ms * packets) / durationMs));
  }

  render(position: number, count: number, sender: Sender): Buffer {
    const { packets, template } = this.#cycle;
    const out = Buffer.allocUnsafe(count * PACKET);
    const writer = new StampWriter(sender.wallMs, sender.session);
    let round = Math.floor(position / packets);
    let index = position - round * packets;
    for (let done = 0; done < count;) {
      const run = Math.min(count - done, packets - index);
      template.copy(out, done * PACKET, index * PACKET, (index + run) * PACKET);
      for (let i = 0; i < run; i += 1)
        this.#patch(out, (done + i) * PACKET, round, index + i, writer);
      done += run;
      index = 0;
      round += 1;
    }
    return out;
  }

  #patch(out: Buffer, at: number, round: number, index: number, writer: StampWriter): void {
    const cycle = this.#cycle;
    const slot = cycle.slots[index]!;
    const counter = round * cycle.counts[counterOf(slot)]! + cycle.ordinals[index]!;
    out[at + 3] = (out[at + 3]! & 0xf0) | (counter & 15);
    if (slot < SLOT.video) return;
    let sum = cycle.sums[index]!;
    if (slot === SLOT.videoStart || slot === SLOT.audioStart) {
      this.#patchClocks(out, at, round, index);
      sum = payloadSum(out, at, payloadOffset(out, at));
    }
    writer.write(out, at, round * cycle.stampedPackets + cycle.stamps[index]!, sum);
  }

  #patchClocks(out: Buffer, at: number, round: number, index: number): void {
    const { durationMs, packets, units, framesPerCycle } = this.#cycle;
    const startMs = round * durationMs;
    const pcr = pcrOffset(out, at);
    if (pcr > 0) {
      writePcr(
        out,
        at + pcr,
        startMs * 27_000 + Math.round((index * durationMs * 27_000) / packets),
      );
    }
    const unitMs = startMs + (units[index]! * durationMs) / framesPerCycle;
    writeTimestamp(out, at + payloadOffset(out, at) + 9, Math.round((unitMs + PTS_AHEAD_MS) * 90));
  }
}
