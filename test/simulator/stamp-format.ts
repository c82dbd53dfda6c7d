/**
 * The stamp at the end of every media packet of the synthetic channel: 28 bytes at offset 160.
 * magic 4 · packet number 9 · sender's wall clock in ms 7 · session 5 · sum of the payload before it 2 · check 1.
 * Every byte carries six bits as 0x80..0xBF, so that no stamp can look like a TS sync byte (0x47), a start
 * code (00 00 01) or an ADTS sync word (FF Fx).
 */
export const STAMP_OFFSET = 160;
const NUMBER = STAMP_OFFSET + 4;
const WALL = NUMBER + 9;
const SESSION = WALL + 7;
const SUM = SESSION + 5;
const CHECK = SUM + 2;
const MAGIC = [0xb1, 0x9a, 0x86, 0xad] as const;
const LOW_24 = 2 ** 24;

export interface Stamp {
  /** Counts the stamped packets of a content, up to 2^53. */
  number: number;
  wallMs: number;
  session: number;
  /** False when the payload before the stamp, or the stamp itself, was changed on the way. */
  intact: boolean;
}

function writeDigits(bytes: Buffer, at: number, digits: number, value: number): void {
  let rest = value;
  for (let i = digits - 1; i >= 0; i -= 1) {
    bytes[at + i] = 0x80 | (rest & 63);
    rest = rest > 0x7fffffff ? Math.floor(rest / 64) : rest >> 6;
  }
}

function readDigits(bytes: Buffer, at: number, digits: number): number {
  let value = 0;
  for (let i = 0; i < digits; i += 1) value = value * 64 + (bytes[at + i]! & 63);
  return value;
}

/** The twelve-bit sum of what lies between the packet's header and its stamp. */
export function payloadSum(bytes: Buffer, at: number, payloadFrom: number): number {
  let sum = 0;
  for (let i = payloadFrom; i < STAMP_OFFSET; i += 1) {
    sum = (sum + bytes[at + i]! * (1 + (i & 7))) & 0xfff;
  }
  return sum;
}

/** What is equal for all packets of one write, encoded once. */
export class StampWriter {
  readonly #shared = Buffer.alloc(12);

  constructor(wallMs: number, session: number) {
    writeDigits(this.#shared, 0, 7, wallMs);
    writeDigits(this.#shared, 7, 5, session);
  }

  /** Writes into the packet that begins at `at`; `sum` is the `payloadSum` of what precedes the stamp. */
  write(bytes: Buffer, at: number, number: number, sum: number): void {
    for (let i = 0; i < 4; i += 1) bytes[at + STAMP_OFFSET + i] = MAGIC[i]!;
    const high = Math.floor(number / LOW_24);
    writeDigits(bytes, at + NUMBER, 5, high);
    writeDigits(bytes, at + NUMBER + 5, 4, number - high * LOW_24);
    for (let i = 0; i < 12; i += 1) bytes[at + WALL + i] = this.#shared[i]!;
    bytes[at + SUM] = 0x80 | (sum >> 6);
    bytes[at + SUM + 1] = 0x80 | (sum & 63);
    bytes[at + CHECK] = checkOf(bytes, at);
  }
}

function checkOf(bytes: Buffer, at: number): number {
  let check = 0;
  for (let i = NUMBER; i < CHECK; i += 1) check = (check * 5 + bytes[at + i]!) & 63;
  return 0x80 | check;
}

/** The stamp of the packet at `at`, or `null`; `payloadFrom` is the payload's offset in the packet. */
export function readStamp(bytes: Buffer, at: number, payloadFrom: number): Stamp | null {
  if (payloadFrom > STAMP_OFFSET) return null;
  for (let i = 0; i < 4; i += 1) if (bytes[at + STAMP_OFFSET + i] !== MAGIC[i]) return null;
  const sum = readDigits(bytes, at + SUM, 2);
  return {
    number: readDigits(bytes, at + NUMBER, 9),
    wallMs: readDigits(bytes, at + WALL, 7),
    session: readDigits(bytes, at + SESSION, 5),
    intact: bytes[at + CHECK] === checkOf(bytes, at) && sum === payloadSum(bytes, at, payloadFrom),
  };
}
