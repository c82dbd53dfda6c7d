/** How the synthetic channel's pictures look to a parser: headers are real, the picture data is filler. */
export const KEYFRAME_STYLES = [
  'h264',
  'h264-no-rai',
  'hevc',
  'hevc-no-rai',
  'mpeg2',
  'mpeg2-no-rai',
  'radio',
] as const;
export type KeyframeStyle = (typeof KEYFRAME_STYLES)[number];

interface Codec {
  streamType: number;
  keyframe: Buffer;
  otherFrame: Buffer;
}

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

/** ISO/IEC 13818-1 table 2-34: stream types 0x1B, 0x24, 0x02. */
const H264: Codec = {
  streamType: 0x1b,
  // Access unit delimiter, SPS (640x360 main), PPS, IDR slice.
  keyframe: hex(
    '00000001 09f0 00000001 674d401e eca0502f f9610000 03000100 0003 0032 0f162d96 00000001 68ebe3cb 000001 6588 84',
  ),
  otherFrame: hex('00000001 09f0 000001 419a 24'),
};

const HEVC: Codec = {
  streamType: 0x24,
  // Access unit delimiter, VPS, SPS, PPS, IDR_W_RADL (type 19) against TRAIL_R (type 1).
  keyframe: hex(
    '00000001 4601 50 00000001 4001 0c01ffff 00000001 4201 01016000 00000001 4401 c172b462 000001 2601 af',
  ),
  otherFrame: hex('00000001 4601 50 000001 0201 d0'),
};

const MPEG2: Codec = {
  streamType: 0x02,
  // Sequence header, group of pictures (closed), picture with coding type I (1) against P (2).
  keyframe: hex('000001b3 28016813 0bb823e0 000001b8 00080040 00000100 000ffff8 000001 01 22'),
  otherFrame: hex('00000100 0057fff9 80 000001 01 22'),
};

/** A whole ADTS header (AAC-LC, 48 kHz, stereo) at the head of each audio unit. */
export const ADTS = hex('fff14c80 2e5ffc 21');
export const AUDIO_STREAM_TYPE = 0x0f;

/** `null` for radio. */
export function codecOf(style: KeyframeStyle): Codec | null {
  if (style === 'radio') return null;
  if (style.startsWith('hevc')) return HEVC;
  return style.startsWith('mpeg2') ? MPEG2 : H264;
}
