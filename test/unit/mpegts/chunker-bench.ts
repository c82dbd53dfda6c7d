import type { CutChunk } from '../../../src/worker/contracts.js';
import type { TsChunkerOptions } from '../../../src/worker/engine/ts-chunker.js';
import { TsChunker } from '../../../src/worker/engine/ts-chunker.js';
import type { Program } from '../../helpers/ts-packets.js';

export const VIDEO = 0x101;
export const AUDIO = 0x102;
export const TV: Program = {
  program: 1,
  pid: 0x100,
  pcrPid: VIDEO,
  streams: [
    { pid: VIDEO, type: 0x1b },
    { pid: AUDIO, type: 0x0f },
  ],
};
export const ADTS = Buffer.from([0xff, 0xf1]);

export class Bench {
  now = 0;
  readonly chunker: TsChunker;

  constructor(options: Partial<TsChunkerOptions> = {}) {
    const now = (): number => this.now;
    this.chunker = new TsChunker({
      chunkBytes: 18_800,
      flushMs: 100,
      now,
      splice: false,
      ...options,
    });
  }

  run(pieces: readonly Buffer[]): CutChunk[] {
    const chunks = pieces.flatMap((piece) => this.chunker.push(piece));
    return [...chunks, ...this.chunker.end()];
  }
}

/** The packets at the joins of all chunks. */
export function joinPackets(chunks: readonly CutChunk[]): Buffer[] {
  return chunks.flatMap(({ bytes, joins }) => joins.map((at) => bytes.subarray(at, at + 188)));
}

export function hex(packets: readonly Buffer[]): string[] {
  return packets.map((packet) => packet.toString('hex'));
}

export function pidOf(packet: Buffer): number {
  return packet.readUInt16BE(1) & 0x1fff;
}
