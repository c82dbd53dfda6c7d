import { PACKET_SIZE, SYNC_BYTE } from '../../shared/mpegts/packet.js';

/** Program specific information: ISO/IEC 13818-1, 2.4.4. */

const PAT_TABLE_ID = 0x00;
const PMT_TABLE_ID = 0x02;
const STUFFING = 0xff;
const CRC_BYTES = 4;
const PAYLOAD_BYTES = PACKET_SIZE - 4;

/** What the keyframe scanner can read; other video is `opaque`: only its flags tell keyframes. */
export const VideoCodec = {
  Mpeg2: 'mpeg2',
  H264: 'h264',
  Hevc: 'hevc',
  Opaque: 'opaque',
} as const;
export type VideoCodec = (typeof VideoCodec)[keyof typeof VideoCodec];

/** stream_type values: ISO/IEC 13818-1 table 2-34; 0x42 AVS and 0xEA VC-1 are registered uses. */
const VIDEO_TYPES: ReadonlyMap<number, VideoCodec> = new Map([
  [0x01, VideoCodec.Mpeg2],
  [0x02, VideoCodec.Mpeg2],
  [0x10, VideoCodec.Opaque],
  [0x1b, VideoCodec.H264],
  [0x24, VideoCodec.Hevc],
  [0x33, VideoCodec.Opaque],
  [0x42, VideoCodec.Opaque],
  [0xea, VideoCodec.Opaque],
]);

/** MPEG-1/2, ADTS, LATM; 0x81 AC-3 and 0x87 E-AC-3 by ATSC A/53. */
const AUDIO_TYPES: ReadonlySet<number> = new Set([0x03, 0x04, 0x0f, 0x11, 0x81, 0x87]);
const PRIVATE_PES = 0x06;
/** In private PES: AC-3, E-AC-3, DTS, AAC descriptors of ETSI EN 300 468. */
const AUDIO_DESCRIPTORS: ReadonlySet<number> = new Set([0x6a, 0x7a, 0x7b, 0x7c]);
const REGISTRATION_DESCRIPTOR = 0x05;
const AUDIO_REGISTRATION = /^(AC-3|EAC3|DTS\d|Opus)$/;

export interface Pat {
  readonly version: number;
  readonly sectionNumber: number;
  readonly lastSectionNumber: number;
  readonly programs: readonly { readonly program: number; readonly pid: number }[];
}

export interface Pmt {
  readonly program: number;
  readonly pcrPid: number;
  readonly video: { readonly pid: number; readonly codec: VideoCodec } | null;
  readonly audioPids: readonly number[];
}

/** Puts the sections of one PID together; CRC_32 keeps those out that lost a packet or a bit. */
export class SectionAssembler {
  #bytes: Buffer = Buffer.alloc(0);

  /** Sections that this payload completes. */
  push(payload: Buffer, unitStart: boolean): Buffer[] {
    if (!unitStart) return this.#bytes.length === 0 ? [] : this.#append(payload);
    const pointer = 1 + (payload[0] ?? 0);
    const sections = this.#bytes.length === 0 ? [] : this.#append(payload.subarray(1, pointer));
    this.#bytes = Buffer.alloc(0);
    return [...sections, ...this.#append(payload.subarray(pointer))];
  }

  #append(payload: Buffer): Buffer[] {
    const sections: Buffer[] = [];
    let rest = Buffer.concat([this.#bytes, payload]);
    while (rest.length >= 3 && rest[0] !== STUFFING) {
      const length = 3 + (rest.readUInt16BE(1) & 0x0fff);
      if (rest.length < length) break;
      const section = rest.subarray(0, length);
      if (length > 3 + CRC_BYTES && crc32(section) === 0) sections.push(section);
      rest = rest.subarray(length);
    }
    this.#bytes = rest[0] === STUFFING ? Buffer.alloc(0) : rest;
    return sections;
  }
}

/** `null` for another table, and for one that is announced but not yet current. */
export function parsePat(section: Buffer): Pat | null {
  if (section[0] !== PAT_TABLE_ID || section.length < 12 || !isCurrent(section)) return null;
  const programs: { program: number; pid: number }[] = [];
  for (let at = 8; at + 4 <= section.length - CRC_BYTES; at += 4) {
    const program = section.readUInt16BE(at);
    // Program 0 is the network PID and no program.
    if (program !== 0) programs.push({ program, pid: section.readUInt16BE(at + 2) & 0x1fff });
  }
  return {
    version: section.readUInt8(5) & 0x3e,
    sectionNumber: section.readUInt8(6),
    lastSectionNumber: section.readUInt8(7),
    programs,
  };
}

/** `null` for another table, a broken one, and one that is announced but not yet current. */
export function parsePmt(section: Buffer): Pmt | null {
  if (section[0] !== PMT_TABLE_ID || section.length < 16 || !isCurrent(section)) return null;
  const end = section.length - CRC_BYTES;
  let video: Pmt['video'] = null;
  const audioPids: number[] = [];
  let at = 12 + (section.readUInt16BE(10) & 0x0fff);
  while (at + 5 <= end) {
    const type = section.readUInt8(at);
    const pid = section.readUInt16BE(at + 1) & 0x1fff;
    const next = at + 5 + (section.readUInt16BE(at + 3) & 0x0fff);
    const codec = VIDEO_TYPES.get(type);
    if (codec !== undefined) video ??= { pid, codec };
    else if (isAudio(type, section.subarray(at + 5, Math.min(next, end)))) audioPids.push(pid);
    at = next;
  }
  return {
    program: section.readUInt16BE(3),
    pcrPid: section.readUInt16BE(8) & 0x1fff,
    video,
    audioPids,
  };
}

/** A section in packets of its own, continuity counters from 0. */
export function packetize(section: Buffer, pid: number): Buffer {
  const payload = Buffer.concat([Buffer.from([0]), section]);
  const count = Math.ceil(payload.length / PAYLOAD_BYTES);
  const packets = Buffer.alloc(count * PACKET_SIZE, STUFFING);
  for (let index = 0; index < count; index += 1) {
    const at = index * PACKET_SIZE;
    packets[at] = SYNC_BYTE;
    packets.writeUInt16BE(pid | (index === 0 ? 0x4000 : 0), at + 1);
    packets[at + 3] = 0x10 | (index & 0x0f);
    payload.copy(packets, at + 4, index * PAYLOAD_BYTES, (index + 1) * PAYLOAD_BYTES);
  }
  return packets;
}

function isCurrent(section: Buffer): boolean {
  return (section.readUInt8(5) & 0x01) === 1;
}

function isAudio(type: number, descriptors: Buffer): boolean {
  if (AUDIO_TYPES.has(type)) return true;
  if (type !== PRIVATE_PES) return false;
  for (let at = 0; at + 2 <= descriptors.length; at += 2 + descriptors.readUInt8(at + 1)) {
    const tag = descriptors.readUInt8(at);
    if (AUDIO_DESCRIPTORS.has(tag)) return true;
    const name = descriptors.toString('latin1', at + 2, at + 6);
    if (tag === REGISTRATION_DESCRIPTOR && AUDIO_REGISTRATION.test(name)) return true;
  }
  return false;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24;
  for (let bit = 0; bit < 8; bit += 1) crc = (crc << 1) ^ (crc < 0 ? 0x04c11db7 : 0);
  return crc;
});

/** CRC_32 of annex A: 0 over a section with its own CRC. */
function crc32(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc << 8) ^ (CRC_TABLE[(crc >>> 24) ^ byte] ?? 0);
  return crc >>> 0;
}
