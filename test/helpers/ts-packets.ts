/**
 * A small transport stream writer, independent of the code under test: own CRC, own header layout.
 */

const SIZE = 188;

export interface PacketOptions {
  readonly unitStart?: boolean;
  readonly randomAccess?: boolean;
  readonly discontinuity?: boolean;
  /** 1/90000 s. */
  readonly pcr?: number;
  readonly scrambled?: boolean;
}

export interface ElementaryStream {
  readonly pid: number;
  readonly type: number;
  readonly descriptors?: Buffer;
}

export interface Program {
  readonly program: number;
  readonly pid: number;
  readonly pcrPid: number;
  readonly streams: readonly ElementaryStream[];
}

/** Collects packets with right continuity counters. */
export class TsWriter {
  readonly packets: Buffer[] = [];
  readonly #counters = new Map<number, number>();
  #serial = 0;

  get bytes(): Buffer {
    return Buffer.concat(this.packets);
  }

  /** One packet; a payload shorter than what fits is padded in the adaptation field. */
  packet(pid: number, payload: Buffer, options: PacketOptions = {}): this {
    const needsField = payload.length < 184 || hasFlags(options);
    const field = needsField ? adaptationField(184 - payload.length, options) : Buffer.alloc(0);
    const last = this.#counters.get(pid) ?? 15;
    const counter = payload.length > 0 ? (last + 1) & 15 : last;
    this.#counters.set(pid, counter);
    const packet = Buffer.concat([
      Buffer.from([
        0x47,
        (options.unitStart === true ? 0x40 : 0) | (pid >> 8),
        pid & 0xff,
        (options.scrambled === true ? 0x80 : 0) |
          (needsField ? 0x20 : 0) |
          (payload.length > 0 ? 0x10 : 0) |
          counter,
      ]),
      field,
      payload,
    ]);
    if (packet.length !== SIZE) throw new RangeError(`a packet of ${packet.length} bytes`);
    this.packets.push(packet);
    return this;
  }

  nulls(count = 1): this {
    for (let n = 0; n < count; n += 1) this.packet(0x1fff, this.#filler(184));
    return this;
  }

  /** Leaves out counters of `pid`, as a lost packet does. */
  lose(pid: number, count = 1): this {
    this.#counters.set(pid, ((this.#counters.get(pid) ?? 15) + count) & 15);
    return this;
  }

  section(pid: number, section: Buffer): this {
    let payload = Buffer.concat([Buffer.from([0]), section]);
    for (let first = true; payload.length > 0; first = false) {
      const part = Buffer.alloc(184, 0xff);
      payload.copy(part, 0, 0, 184);
      this.packet(pid, part, { unitStart: first });
      payload = payload.subarray(184);
    }
    return this;
  }

  tables(programs: readonly Program[], version = 0): this {
    this.section(0, patSection(programs, version));
    for (const program of programs) this.section(program.pid, pmtSection(program, version));
    return this;
  }

  /** A PES of `size` media bytes that begins with `start` and goes on with noise. */
  pes(pid: number, start: Buffer, size: number, options: PacketOptions = {}): this {
    const header = Buffer.from([0, 0, 1, 0xe0, 0, 0, 0x80, 0x80, 5, 0x21, 0, 1, 0, 1]);
    let rest = Buffer.concat([header, start, this.#filler(Math.max(0, size - start.length))]);
    for (let first = true; rest.length > 0; first = false) {
      const current: PacketOptions = first ? { ...options, unitStart: true } : {};
      const room = hasFlags(current) ? (current.pcr === undefined ? 182 : 176) : 184;
      this.packet(pid, rest.subarray(0, room), current);
      rest = rest.subarray(room);
    }
    return this;
  }

  /** Different in every call, and free of start codes. */
  #filler(size: number): Buffer {
    this.#serial += 1;
    let state = this.#serial * 2_654_435_761;
    const bytes = Buffer.alloc(size);
    for (let at = 0; at < size; at += 1) {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      bytes[at] = 0x48 + ((state >>> 16) % 0xa0);
    }
    return bytes;
  }
}

/** What a PES of each codec begins with. `sei` bytes of padding come before the picture. */
export const H264 = {
  key: (sei = 0): Buffer =>
    Buffer.concat([nal(9, 0xf0), nal(7, 1), nal(8, 2), seiNal(6, sei), nal(0x65, 0x88)]),
  keyWithoutParameters: (): Buffer => Buffer.concat([nal(9, 0xf0), nal(0x65, 0x88)]),
  intra: (): Buffer => Buffer.concat([nal(9, 0xf0), nal(7, 1), nal(8, 2), nal(0x41, 0x88)]),
  delta: (): Buffer => Buffer.concat([nal(9, 0xf0), nal(0x41, 0x9a)]),
};
export const HEVC = {
  key: (sei = 0): Buffer =>
    Buffer.concat([
      nal(0x46, 1),
      nal(0x40, 1),
      nal(0x42, 1),
      nal(0x44, 1),
      seiNal(0x4e, sei),
      nal(0x26, 1),
    ]),
  cra: (): Buffer => Buffer.concat([nal(0x40, 1), nal(0x42, 1), nal(0x44, 1), nal(0x2a, 1)]),
  delta: (): Buffer => Buffer.concat([nal(0x46, 1), nal(0x02, 1)]),
};
export const MPEG2 = {
  key: (): Buffer => Buffer.concat([nal(0xb3, 1, 2, 3), nal(0xb8, 1), nal(0, 0, 0x08)]),
  intra: (): Buffer => nal(0, 0, 0x08),
  headerAndDelta: (): Buffer => Buffer.concat([nal(0xb3, 1, 2, 3), nal(0, 0, 0x10)]),
  delta: (): Buffer => nal(0, 0, 0x10),
};

export function patSection(programs: readonly Program[], version = 0): Buffer {
  const entries = programs.map(({ program, pid }) => [...word(program), ...word(0xe000 | pid)]);
  return section(0x00, 1, version, entries.flat());
}

export function pmtSection(program: Program, version = 0, current = true): Buffer {
  const streams = program.streams.flatMap(({ pid, type, descriptors = Buffer.alloc(0) }) => [
    type,
    ...word(0xe000 | pid),
    ...word(0xf000 | descriptors.length),
    ...descriptors,
  ]);
  const body = [...word(0xe000 | program.pcrPid), ...word(0xf000), ...streams];
  return section(0x02, program.program, version, body, current);
}

export function section(
  tableId: number,
  extension: number,
  version: number,
  body: number[],
  current = true,
): Buffer {
  const length = body.length + 9;
  const head = [
    tableId,
    ...word(0xb000 | length),
    ...word(extension),
    0xc0 | (version << 1) | Number(current),
    0,
    0,
  ];
  const content = Buffer.from([...head, ...body]);
  const crc = Buffer.alloc(4);
  crc.writeUInt32BE(crcByBits(content));
  return Buffer.concat([content, crc]);
}

/** Packets by their place, for messages and for telling one from another. */
export function splitPackets(bytes: Buffer): Buffer[] {
  const packets: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += SIZE) packets.push(bytes.subarray(at, at + SIZE));
  return packets;
}

/** `bytes` in pieces that end at the given places; each piece has memory of its own. */
export function cutAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length];
  ends.sort((a, b) => a - b);
  return ends.map((end, index) => Buffer.from(bytes.subarray(ends[index - 1] ?? 0, end)));
}

/** Unmarked jumps of the continuity counters, as `pid: expected counter, counter`. */
export function continuityFaults(bytes: Buffer): string[] {
  const last = new Map<number, number>();
  const faults: string[] = [];
  for (const packet of splitPackets(bytes)) {
    const pid = packet.readUInt16BE(1) & 0x1fff;
    const control = packet[3]!;
    const before = last.get(pid);
    const marked = (control & 0x20) !== 0 && packet[4]! > 0 && (packet[5]! & 0x80) !== 0;
    last.set(pid, control & 15);
    if (pid === 0x1fff || before === undefined || marked) continue;
    const expected = (before + ((control & 0x10) === 0 ? 0 : 1)) & 15;
    if (expected !== (control & 15)) faults.push(`${pid}: ${expected}, ${control & 15}`);
  }
  return faults;
}

function hasFlags(options: PacketOptions): boolean {
  return (
    options.randomAccess === true || options.discontinuity === true || options.pcr !== undefined
  );
}

/** `size` bytes, the length byte included; one byte is a length of 0 and has no flags. */
function adaptationField(size: number, options: PacketOptions): Buffer {
  const field = Buffer.alloc(size, 0xff);
  field[0] = size - 1;
  if (size === 1) return field;
  field[1] =
    (options.discontinuity === true ? 0x80 : 0) |
    (options.randomAccess === true ? 0x40 : 0) |
    (options.pcr === undefined ? 0 : 0x10);
  if (options.pcr !== undefined) {
    field.writeUInt32BE(Math.floor(options.pcr / 2), 2);
    field[6] = ((options.pcr % 2) << 7) | 0x7e;
    field[7] = 0;
  }
  return field;
}

function nal(...content: number[]): Buffer {
  return Buffer.from([0, 0, 1, ...content]);
}

function seiNal(type: number, size: number): Buffer {
  return size === 0 ? Buffer.alloc(0) : Buffer.concat([nal(type, 1), Buffer.alloc(size, 0xaa)]);
}

function word(value: number): number[] {
  return [(value >> 8) & 0xff, value & 0xff];
}

function crcByBits(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit -= 1) {
      const feedback = ((crc >>> 31) ^ (byte >>> bit)) & 1;
      crc = ((crc << 1) ^ (feedback === 1 ? 0x04c11db7 : 0)) >>> 0;
    }
  }
  return crc;
}
