/** Building stones of MPEG-TS (ISO/IEC 13818-1), written apart from the proxy's own parser: an independent witness. */
export const PACKET = 188;
export const SYNC = 0x47;
export const PID = { pat: 0, pmt: 0x1000, video: 0x100, audio: 0x101, null: 0x1fff } as const;
export const CLOCK_90K_WRAP = 2 ** 33;
export const CLOCK_27M_WRAP = CLOCK_90K_WRAP * 300;

export function pidOf(bytes: Buffer, at: number): number {
  return bytes.readUInt16BE(at + 1) & 0x1fff;
}

export const hasPayload = (bytes: Buffer, at: number): boolean => (bytes[at + 3]! & 0x10) !== 0;
export const startsUnit = (bytes: Buffer, at: number): boolean => (bytes[at + 1]! & 0x40) !== 0;

/** The flags byte of the adaptation field; 0 when there is none. */
export function adaptationFlags(bytes: Buffer, at: number): number {
  return (bytes[at + 3]! & 0x20) !== 0 && bytes[at + 4]! > 0 ? bytes[at + 5]! : 0;
}

/** Offset of the payload inside the packet; 188 when there is none. */
export function payloadOffset(bytes: Buffer, at: number): number {
  if (!hasPayload(bytes, at)) return PACKET;
  return (bytes[at + 3]! & 0x20) !== 0 ? Math.min(PACKET, 5 + bytes[at + 4]!) : 4;
}

/** Offset of the six PCR bytes inside the packet, or -1. */
export function pcrOffset(bytes: Buffer, at: number): number {
  return (adaptationFlags(bytes, at) & 0x10) !== 0 ? 6 : -1;
}

export function readPcr(bytes: Buffer, at: number): number {
  const base = bytes.readUInt32BE(at) * 2 + (bytes[at + 4]! >> 7);
  return base * 300 + ((bytes[at + 4]! & 1) << 8) + bytes[at + 5]!;
}

/** `ticks` of 27 MHz; any size, wrapped here. */
export function writePcr(bytes: Buffer, at: number, ticks: number): void {
  const wrapped = ticks % CLOCK_27M_WRAP;
  const base = Math.floor(wrapped / 300);
  const extension = wrapped % 300;
  bytes.writeUInt32BE(Math.floor(base / 2), at);
  bytes[at + 4] = ((base % 2) << 7) | 0x7e | (extension >> 8);
  bytes[at + 5] = extension & 0xff;
}

export function readTimestamp(bytes: Buffer, at: number): number {
  return (
    ((bytes[at]! >> 1) & 7) * 2 ** 30 +
    ((bytes.readUInt16BE(at + 1) >> 1) << 15) +
    (bytes.readUInt16BE(at + 3) >> 1)
  );
}

/** `ticks` of 90 kHz; any size, wrapped here. Keeps the four marker bits that are already in place. */
export function writeTimestamp(bytes: Buffer, at: number, ticks: number): void {
  const wrapped = ticks % CLOCK_90K_WRAP;
  bytes[at] = (bytes[at]! & 0xf0) | (Math.floor(wrapped / 2 ** 30) << 1) | 1;
  bytes.writeUInt16BE((Math.floor(wrapped / 2 ** 15) % 2 ** 15) * 2 + 1, at + 1);
  bytes.writeUInt16BE((wrapped % 2 ** 15) * 2 + 1, at + 3);
}

/** Offsets of PTS and, where given, DTS inside the packet (ISO/IEC 13818-1, 2.4.3.6). */
export function timestampOffsets(bytes: Buffer, at: number): number[] {
  const body = payloadOffset(bytes, at);
  if (!startsUnit(bytes, at) || body + 19 > PACKET) return [];
  if (bytes.readUIntBE(at + body, 3) !== 1) return [];
  const flags = bytes[at + body + 7]! >> 6;
  return flags === 3 ? [body + 9, body + 14] : flags === 2 ? [body + 9] : [];
}

function crc32(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte << 24;
    for (let bit = 0; bit < 8; bit += 1) crc = crc < 0 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
    crc |= 0;
  }
  return crc >>> 0;
}

function sectionPacket(pid: number, tableId: number, idInTable: number, body: Buffer): Buffer {
  const head = Buffer.from([
    tableId,
    0xb0,
    body.length + 9,
    idInTable >> 8,
    idInTable & 0xff,
    0xc1,
    0,
    0,
  ]);
  const section = Buffer.concat([head, body]);
  const crc = Buffer.alloc(4);
  crc.writeUInt32BE(crc32(section));
  const packet = Buffer.alloc(PACKET, 0xff);
  Buffer.from([SYNC, 0x40 | (pid >> 8), pid & 0xff, 0x10, 0]).copy(packet);
  Buffer.concat([section, crc]).copy(packet, 5);
  return packet;
}

export function patPacket(): Buffer {
  return sectionPacket(PID.pat, 0, 1, Buffer.from([0, 1, 0xe0 | (PID.pmt >> 8), PID.pmt & 0xff]));
}

/** `streams`: stream_type and PID of each elementary stream. */
export function pmtPacket(pcrPid: number, streams: readonly (readonly [number, number])[]): Buffer {
  const head = [0xe0 | (pcrPid >> 8), pcrPid & 0xff, 0xf0, 0];
  const list = streams.flatMap(([type, pid]) => [type, 0xe0 | (pid >> 8), pid & 0xff, 0xf0, 0]);
  return sectionPacket(PID.pmt, 2, 1, Buffer.from([...head, ...list]));
}

export function nullPacket(): Buffer {
  const packet = Buffer.alloc(PACKET, 0xff);
  Buffer.from([SYNC, PID.null >> 8, PID.null & 0xff, 0x10]).copy(packet);
  return packet;
}
