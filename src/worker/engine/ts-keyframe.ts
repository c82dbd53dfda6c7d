import { VideoCodec } from './ts-psi.js';

export const Verdict = { Undecided: 'undecided', Keyframe: 'keyframe', Other: 'other' } as const;
export type Verdict = (typeof Verdict)[keyof typeof Verdict];

/** What a start code says: parameters a new decoder needs, a picture that is whole, or another. */
const Unit = { Parameters: 1, Intra: 2, Inter: 3, Neutral: 4, PictureHeader: 5 } as const;
type Unit = (typeof Unit)[keyof typeof Unit];

/** x265 puts 2.5 KB of SEI before the first slice; later start codes tell nothing new. */
const MAX_PACKETS = 24;
const FIXED_PES_HEADER = 9;

/**
 * Looks for the first picture of a PES packet: a keyframe is one from which a decoder that knows
 * nothing can go on, so it needs its parameters in the same PES: H.264 SPS and IDR, HEVC SPS and
 * IRAP, MPEG-2 sequence header and I picture. A lone I picture is none.
 */
export class KeyframeScanner {
  #codec: VideoCodec = VideoCodec.Opaque;
  #verdict: Verdict = Verdict.Other;
  #packets = 0;
  #position = 0;
  #elementaryStart = 0;
  #window = 0;
  #parameters = false;
  #pictureBytes = 0;

  /** Forgets the PES before; `push` follows with the payload of the first packet. */
  begin(codec: VideoCodec): void {
    this.#codec = codec;
    this.#verdict = codec === VideoCodec.Opaque ? Verdict.Other : Verdict.Undecided;
    this.#packets = 0;
    this.#position = 0;
    this.#elementaryStart = FIXED_PES_HEADER;
    this.#window = 0xffffffff;
    this.#parameters = false;
    this.#pictureBytes = 0;
  }

  /** The payload `bytes[from..to)` of the next packet of the PES. */
  push(bytes: Buffer, from: number, to: number): Verdict {
    for (let at = from; at < to && this.#verdict === Verdict.Undecided; at += 1) {
      const byte = bytes[at] ?? 0;
      if (this.#position < this.#elementaryStart) this.#takeHeader(byte);
      else this.#takeMedia(byte);
      this.#position += 1;
    }
    this.#packets += 1;
    if (this.#packets >= MAX_PACKETS && this.#verdict === Verdict.Undecided) {
      this.#verdict = Verdict.Other;
    }
    return this.#verdict;
  }

  /** 2.4.3.6: start code prefix 000001, then at the ninth byte the length of the rest. */
  #takeHeader(byte: number): void {
    const prefixEnd = 2;
    if (this.#position <= prefixEnd && byte !== (this.#position === prefixEnd ? 1 : 0)) {
      this.#verdict = Verdict.Other;
    }
    if (this.#position === FIXED_PES_HEADER - 1) this.#elementaryStart += byte;
  }

  #takeMedia(byte: number): void {
    this.#window = ((this.#window << 8) | byte) >>> 0;
    if (this.#pictureBytes > 0) {
      this.#pictureBytes -= 1;
      // 6.2.3 of 13818-2: ten bits of temporal_reference, then picture_coding_type, I = 1.
      if (this.#pictureBytes === 0)
        this.#conclude(((byte >>> 3) & 0x07) === 1 ? Unit.Intra : Unit.Inter);
      return;
    }
    if (this.#window >>> 8 === 0x000001) this.#conclude(unitOf(this.#codec, byte));
  }

  #conclude(unit: Unit): void {
    if (unit === Unit.Parameters) this.#parameters = true;
    if (unit === Unit.PictureHeader) this.#pictureBytes = 2;
    if (unit === Unit.Inter) this.#verdict = Verdict.Other;
    if (unit === Unit.Intra) this.#verdict = this.#parameters ? Verdict.Keyframe : Verdict.Other;
  }
}

function unitOf(codec: VideoCodec, byte: number): Unit {
  switch (codec) {
    case VideoCodec.H264:
      return h264Unit(byte & 0x1f);
    case VideoCodec.Hevc:
      return hevcUnit((byte >>> 1) & 0x3f);
    case VideoCodec.Mpeg2:
      if (byte === 0xb3) return Unit.Parameters;
      return byte === 0x00 ? Unit.PictureHeader : Unit.Neutral;
    case VideoCodec.Opaque:
      return Unit.Neutral;
  }
}

/** ISO/IEC 14496-10 table 7-1. */
function h264Unit(type: number): Unit {
  if (type === 7) return Unit.Parameters;
  if (type === 5) return Unit.Intra;
  return type >= 1 && type <= 4 ? Unit.Inter : Unit.Neutral;
}

/** ISO/IEC 23008-2 table 7-1: 0..9 are trailing and leading pictures, 16..21 are IRAP. */
function hevcUnit(type: number): Unit {
  if (type === 33) return Unit.Parameters;
  if (type >= 16 && type <= 21) return Unit.Intra;
  return type <= 9 ? Unit.Inter : Unit.Neutral;
}
