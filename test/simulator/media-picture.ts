import { readFileSync } from 'node:fs';
import { type MediaSource, positionOf } from './media-source.js';
import {
  CLOCK_27M_WRAP,
  hasPayload,
  PACKET,
  pcrOffset,
  pidOf,
  PID,
  readPcr,
  readTimestamp,
  SYNC,
  timestampOffsets,
  writePcr,
  writeTimestamp,
} from './ts-packet.js';

const CLIP = new URL('../fixtures/channel.mpegts', import.meta.url);

interface Clip {
  bytes: Buffer;
  packets: number;
  durationMs: number;
  /** When the packet is due, in ms after the first clock reference. */
  dueMs: Float64Array;
  /** Payload packets of each PID in one round: by how much its counter moves on. */
  counts: Map<number, number>;
}

/** The distance from the first picture to one frame after the last: the length of a round without overlap. */
function roundMs(bytes: Buffer): number {
  const video: number[] = [];
  for (let at = 0; at < bytes.length; at += PACKET) {
    const [pts] = timestampOffsets(bytes, at);
    if (pts !== undefined && pidOf(bytes, at) === PID.video)
      video.push(readTimestamp(bytes, at + pts));
  }
  video.sort((a, b) => a - b);
  return (video.at(-1)! - video[0]! + video[1]! - video[0]!) / 90;
}

function dueTimes(bytes: Buffer, durationMs: number): Float64Array {
  const packets = bytes.length / PACKET;
  const due = new Float64Array(packets);
  let first = -1;
  let last = { index: 0, ms: 0 };
  const fill = (index: number, ms: number): void => {
    for (let i = last.index; i < index; i += 1) {
      due[i] = last.ms + ((ms - last.ms) * (i - last.index)) / (index - last.index);
    }
    last = { index, ms };
  };
  for (let index = 0; index < packets; index += 1) {
    const offset = pcrOffset(bytes, index * PACKET);
    if (offset < 0) continue;
    const pcr = readPcr(bytes, index * PACKET + offset);
    if (first < 0) first = pcr;
    fill(index, (pcr - first) / 27_000);
  }
  fill(packets, durationMs);
  return due;
}

function loadClip(file: URL | string): Clip {
  const bytes = readFileSync(file);
  const packets = bytes.length / PACKET;
  const counts = new Map<number, number>();
  for (let at = 0; at < bytes.length; at += PACKET) {
    if (bytes[at] !== SYNC) throw new Error(`no sync byte at ${at} of the clip`);
    const pid = pidOf(bytes, at);
    if (hasPayload(bytes, at)) counts.set(pid, (counts.get(pid) ?? 0) + 1);
  }
  const durationMs = roundMs(bytes);
  return { bytes, packets, durationMs, dueMs: dueTimes(bytes, durationMs), counts };
}

/** A real encoded channel: the fixture clip, end to end for ever. */
export class PictureSource implements MediaSource {
  readonly #clip: Clip;
  readonly bytesPerSecond: number;

  constructor(file: URL | string = CLIP) {
    this.#clip = loadClip(file);
    this.bytesPerSecond = (this.#clip.bytes.length * 1000) / this.#clip.durationMs;
  }

  get packetsPerRound(): number {
    return this.#clip.packets;
  }

  get roundMs(): number {
    return this.#clip.durationMs;
  }

  positionAt(atMs: number): number {
    return positionOf(atMs, this.#clip, (ms) => this.#indexAt(ms));
  }

  render(position: number, count: number): Buffer {
    const { bytes, packets } = this.#clip;
    const out = Buffer.allocUnsafe(count * PACKET);
    for (let i = 0; i < count; i += 1) {
      const round = Math.floor((position + i) / packets);
      const index = position + i - round * packets;
      bytes.copy(out, i * PACKET, index * PACKET, (index + 1) * PACKET);
      this.#patch(out, i * PACKET, round);
    }
    return out;
  }

  /** Binary search for the first packet that is not due at `ms` of the round. */
  #indexAt(ms: number): number {
    const { dueMs } = this.#clip;
    let low = 0;
    let high = dueMs.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (dueMs[middle]! <= ms) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #patch(out: Buffer, at: number, round: number): void {
    const perRound = this.#clip.counts.get(pidOf(out, at)) ?? 0;
    out[at + 3] = (out[at + 3]! & 0xf0) | ((out[at + 3]! + round * perRound) & 15);
    const shift90 = (round * this.#clip.durationMs * 90) % (CLOCK_27M_WRAP / 300);
    const pcr = pcrOffset(out, at);
    if (pcr > 0) writePcr(out, at + pcr, readPcr(out, at + pcr) + shift90 * 300);
    for (const offset of timestampOffsets(out, at)) {
      writeTimestamp(out, at + offset, readTimestamp(out, at + offset) + shift90);
    }
  }
}
