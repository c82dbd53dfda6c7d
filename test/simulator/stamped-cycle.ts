import { ADTS, AUDIO_STREAM_TYPE, codecOf, type KeyframeStyle } from './codecs.js';
import { SeededRandom } from './random.js';
import { payloadSum } from './stamp-format.js';
import { PACKET, patPacket, payloadOffset, PID, pmtPacket, SYNC } from './ts-packet.js';

/** What one packet of the cycle is; units (frames) are numbered within the cycle. */
export const SLOT = { pat: 0, pmt: 1, video: 2, videoStart: 3, audio: 4, audioStart: 5 } as const;
type Slot = (typeof SLOT)[keyof typeof SLOT];

const FRAMES_PER_SECOND = 25;
const TABLES_PER_SECOND = 10;

export interface CycleShape {
  /** Mux rate in bit/s. */
  bitrate: number;
  /** Length of a cycle, which is one GOP, in seconds. */
  gop: number;
  keyframes: KeyframeStyle;
}

/** One GOP with everything in place that does not change from round to round. */
export interface StampedCycle {
  packets: number;
  durationMs: number;
  template: Buffer;
  slots: Uint8Array;
  /** Frame number of a packet that starts a unit. */
  units: Uint16Array;
  /** How many payload packets of its PID precede this packet in the cycle. */
  ordinals: Uint32Array;
  /** Payload packets per cycle, by `counterOf(slot)`. */
  counts: Uint32Array;
  /** How many stamped packets precede this packet in the cycle. */
  stamps: Uint32Array;
  stampedPackets: number;
  /** `payloadSum` of each packet as it stands in the template. */
  sums: Uint16Array;
  framesPerCycle: number;
}

/** Index into `counts`: 0 PAT, 1 PMT, 2 video, 3 audio. */
export function counterOf(slot: number): number {
  return slot < SLOT.video ? slot : slot < SLOT.audio ? 2 : 3;
}

function layOut(
  packets: number,
  frames: number,
  tables: number,
  radio: boolean,
): { slots: Uint8Array; units: Uint16Array } {
  const slots = new Uint8Array(packets).fill(radio ? SLOT.audio : SLOT.video);
  const units = new Uint16Array(packets);
  for (let i = 0; i < tables; i += 1) {
    const at = Math.floor((i * packets) / tables);
    slots[at] = SLOT.pat;
    slots[at + 1] = SLOT.pmt;
  }
  const taken = (at: number): boolean => slots[at] === SLOT.pat || slots[at] === SLOT.pmt;
  const put = (from: number, slot: Slot, unit: number): number => {
    let at = from;
    while (taken(at)) at += 1;
    slots[at] = slot;
    units[at] = unit;
    return at;
  };
  for (let frame = 0; frame < frames; frame += 1) {
    const at = Math.floor((frame * packets) / frames);
    if (radio) {
      put(at, SLOT.audioStart, frame);
      continue;
    }
    put(at, SLOT.videoStart, frame);
    const half = put(Math.floor(((frame + 0.5) * packets) / frames), SLOT.audioStart, frame);
    put(half + 1, SLOT.audio, frame);
  }
  return { slots, units };
}

function writeHeader(
  packet: Buffer,
  pid: number,
  start: boolean,
  clock: { random: boolean } | null,
): number {
  packet[0] = SYNC;
  packet[1] = (start ? 0x40 : 0) | (pid >> 8);
  packet[2] = pid & 0xff;
  packet[3] = clock ? 0x30 : 0x10;
  if (!clock) return 4;
  packet[4] = 7;
  packet[5] = 0x10 | (clock.random ? 0x40 : 0);
  return 12;
}

/** PES header with a PTS whose value is patched in later; `length` 0 means unbounded (video only). */
function pesHeader(streamId: number, length: number): Buffer {
  return Buffer.from([
    0,
    0,
    1,
    streamId,
    length >> 8,
    length & 0xff,
    0x80,
    0x80,
    5,
    0x21,
    0,
    1,
    0,
    1,
  ]);
}

/** Payload bytes that the audio unit at `from` fills until the next one starts, as PES_packet_length. */
function audioPesLength(slots: Uint8Array, from: number, firstPayload: number): number {
  let bytes = firstPayload;
  for (let at = from + 1; at < slots.length && slots[at] !== SLOT.audioStart; at += 1) {
    if (slots[at] === SLOT.audio) bytes += PACKET - 4;
  }
  return bytes - 6;
}

function fillTemplate(
  template: Buffer,
  slots: Uint8Array,
  units: Uint16Array,
  style: KeyframeStyle,
): void {
  const codec = codecOf(style);
  const pat = patPacket();
  const pmt = codec
    ? pmtPacket(PID.video, [
        [codec.streamType, PID.video],
        [AUDIO_STREAM_TYPE, PID.audio],
      ])
    : pmtPacket(PID.audio, [[AUDIO_STREAM_TYPE, PID.audio]]);
  slots.forEach((slot, at) => {
    const packet = template.subarray(at * PACKET, (at + 1) * PACKET);
    if (slot === SLOT.pat || slot === SLOT.pmt) {
      (slot === SLOT.pat ? pat : pmt).copy(packet);
    } else if (slot === SLOT.videoStart && codec) {
      const key = units[at] === 0;
      const body = writeHeader(packet, PID.video, true, {
        random: key && !style.endsWith('no-rai'),
      });
      Buffer.concat([pesHeader(0xe0, 0), key ? codec.keyframe : codec.otherFrame]).copy(
        packet,
        body,
      );
    } else if (slot === SLOT.audioStart) {
      const body = writeHeader(packet, PID.audio, true, codec ? null : { random: true });
      const length = audioPesLength(slots, at, PACKET - body);
      Buffer.concat([pesHeader(0xc0, length), ADTS]).copy(packet, body);
    } else {
      writeHeader(packet, slot === SLOT.video ? PID.video : PID.audio, false, null);
    }
  });
}

function makeCycle({ bitrate, gop, keyframes }: CycleShape): StampedCycle {
  const packets = Math.round((bitrate * gop) / (PACKET * 8));
  const framesPerCycle = Math.round(gop * FRAMES_PER_SECOND);
  if (packets < framesPerCycle * 8)
    throw new RangeError(`bitrate ${bitrate} is too low for 25 frames a second`);
  const tables = Math.max(1, Math.round(gop * TABLES_PER_SECOND));
  const { slots, units } = layOut(packets, framesPerCycle, tables, keyframes === 'radio');
  const random = new SeededRandom(packets);
  const template = Buffer.allocUnsafe(packets * PACKET);
  for (let i = 0; i < template.length; i += 1) template[i] = 0x80 | random.below(64);
  fillTemplate(template, slots, units, keyframes);

  const ordinals = new Uint32Array(packets);
  const stamps = new Uint32Array(packets);
  const sums = new Uint16Array(packets);
  const counts = new Uint32Array(4);
  let stampedPackets = 0;
  slots.forEach((slot, at) => {
    const counter = counterOf(slot);
    ordinals[at] = counts[counter]!;
    counts[counter]! += 1;
    stamps[at] = stampedPackets;
    if (slot >= SLOT.video) stampedPackets += 1;
    sums[at] = payloadSum(template, at * PACKET, payloadOffset(template, at * PACKET));
  });
  const durationMs = gop * 1000;
  return {
    packets,
    durationMs,
    template,
    slots,
    units,
    ordinals,
    counts,
    stamps,
    stampedPackets,
    sums,
    framesPerCycle,
  };
}

const cycles = new Map<string, StampedCycle>();

/** Cycles are large and never change: one per shape, shared by all engines of the process. */
export function stampedCycle(shape: CycleShape): StampedCycle {
  const key = `${shape.bitrate}/${shape.gop}/${shape.keyframes}`;
  let cycle = cycles.get(key);
  if (!cycle) cycles.set(key, (cycle = makeCycle(shape)));
  return cycle;
}
