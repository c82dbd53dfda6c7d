/**
 * Transport stream packets: constants and field readers with the names of ISO/IEC 13818-1, 2.4.3.
 * Readers take the header word of `headerAt`, so that a packet's header is loaded once.
 */

export const PACKET_SIZE = 188;
export const SYNC_BYTE = 0x47;
export const PAT_PID = 0x0000;
export const NULL_PID = 0x1fff;
/** PIDs have 13 bits. */
export const PID_COUNT = 0x2000;

/** In the flags byte of the adaptation field (2.4.3.4). */
export const DISCONTINUITY_INDICATOR = 0x80;
export const RANDOM_ACCESS_INDICATOR = 0x40;
const PCR_FLAG = 0x10;

const PAYLOAD_BIT = 0x10;
const ADAPTATION_BIT = 0x20;
const STUFFING = 0xff;

/** The four header bytes of the packet at `at` as one unsigned number. */
export function headerAt(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at);
}

export function pidOf(header: number): number {
  return (header >>> 8) & 0x1fff;
}

export function hasUnitStart(header: number): boolean {
  return (header & 0x400000) !== 0;
}

export function isScrambled(header: number): boolean {
  return (header & 0xc0) !== 0;
}

/** transport_error_indicator: a demodulator could not correct it. */
export function isBroken(header: number): boolean {
  return (header & 0x800000) !== 0;
}

/** Either of the two, looked for together because both are rare. */
export function isScrambledOrBroken(header: number): boolean {
  return (header & 0x8000c0) !== 0;
}

export function hasAdaptationField(header: number): boolean {
  return (header & ADAPTATION_BIT) !== 0;
}

export function hasPayload(header: number): boolean {
  return (header & PAYLOAD_BIT) !== 0;
}

export function counterOf(header: number): number {
  return header & 0x0f;
}

/** The header of a packet of `pid` that begins nothing and has nothing but payload, in the clear. */
export function plainHeader(pid: number, counter: number): number {
  return (SYNC_BYTE << 24) | (pid << 8) | PAYLOAD_BIT | (counter & 0x0f);
}

/** The adaptation field's flags; 0 when there is no field or it is too short to have flags. */
export function adaptationFlags(bytes: Buffer, at: number, header: number): number {
  if (!hasAdaptationField(header) || bytes[at + 4] === 0) return 0;
  return bytes[at + 5] ?? 0;
}

/** Offset in `bytes` of the packet's payload; the packet's end when it has none. */
export function payloadStart(bytes: Buffer, at: number, header: number): number {
  const end = at + PACKET_SIZE;
  if (!hasPayload(header)) return end;
  if (!hasAdaptationField(header)) return at + 4;
  return Math.min(end, at + 5 + (bytes[at + 4] ?? 0));
}

/** program_clock_reference_base of the packet at `at` in 1/90000 s; `null` when it has none. */
export function pcrBase(bytes: Buffer, at: number, header: number): number | null {
  if ((adaptationFlags(bytes, at, header) & PCR_FLAG) === 0) return null;
  return bytes.readUInt32BE(at + 6) * 2 + ((bytes[at + 10] ?? 0) >>> 7);
}

/** The counter that the packet before this one must have had: only payload counts (2.4.3.3). */
export function counterBefore(header: number): number {
  return hasPayload(header) ? (counterOf(header) + 15) & 0x0f : counterOf(header);
}

/** Writes a continuity counter into the packet at `at`. */
export function setCounter(bytes: Buffer, at: number, counter: number): void {
  bytes[at + 3] = ((bytes[at + 3] ?? 0) & 0xf0) | (counter & 0x0f);
}

/** A packet of adaptation field only that marks a discontinuity on `pid`. */
export function discontinuityPacket(pid: number, counter: number): Buffer {
  const packet = Buffer.alloc(PACKET_SIZE, STUFFING);
  packet[0] = SYNC_BYTE;
  packet.writeUInt16BE(pid, 1);
  packet[3] = ADAPTATION_BIT | (counter & 0x0f);
  packet[4] = PACKET_SIZE - 5;
  packet[5] = DISCONTINUITY_INDICATOR;
  return packet;
}
