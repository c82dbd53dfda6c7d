import { PACKET_SIZE, SYNC_BYTE } from '../../shared/mpegts/packet.js';
import { adjoin } from './read-segments.js';

/** Sync bytes at 188 bytes' distance before a grid is believed: three meet by chance in 64 KiB. */
const GRID_PACKETS = 5;
/** Bytes without a grid after which the source is garbage (spec 3.4). */
const GARBAGE_BYTES = 65_536;

/**
 * Finds the packets in bytes that are cut anywhere. A packet is handed on when the sync byte behind
 * it is there too: engines lose data in pieces that are no multiple of 188, and the packet before
 * such a hole has the beginning of one and the end of another.
 * At most one packet waits for that byte; `end` gives it out.
 */
export class TsSync {
  #locked = false;
  #rest: Buffer = Buffer.alloc(0);
  #unsynced = 0;
  #syncLosses = 0;
  #droppedBytes = 0;

  /** `rest` is the `rest` of a sync on the grid, which this one continues. */
  constructor(rest: Buffer | null = null) {
    if (rest === null) return;
    this.#locked = true;
    this.#rest = rest;
  }

  /** What waits for more bytes while the grid is known, one packet at most; `null` without one. */
  get rest(): Buffer | null {
    return this.#locked ? this.#rest : null;
  }

  get syncLosses(): number {
    return this.#syncLosses;
  }

  get droppedBytes(): number {
    return this.#droppedBytes;
  }

  /** True from 64 KiB without a grid until one is found. */
  get garbage(): boolean {
    return this.#unsynced >= GARBAGE_BYTES;
  }

  /** Runs of whole packets, in order; slices of `bytes` wherever a packet is not cut by its edge. */
  push(bytes: Buffer): Buffer[] {
    const runs: Buffer[] = [];
    const input = this.#joinRest(bytes, runs);
    let at = 0;
    while (at < input.length)
      at = this.#locked ? this.#walk(input, at, runs) : this.#search(input, at);
    return runs;
  }

  /** The last packet, if it came whole; what else was kept is dropped. */
  end(): Buffer[] {
    const rest = this.#rest;
    this.#rest = Buffer.alloc(0);
    if (this.#locked && rest.length === PACKET_SIZE) return [rest];
    this.#droppedBytes += rest.length;
    return [];
  }

  /** Completes the packet that the last push cut, and returns what is still to be looked at. */
  #joinRest(bytes: Buffer, runs: Buffer[]): Buffer {
    const rest = this.#rest;
    if (rest.length === 0) return bytes;
    this.#rest = Buffer.alloc(0);
    const whole = adjoin(rest, bytes);
    if (whole !== null) return whole;
    const missing = PACKET_SIZE - rest.length;
    if (this.#locked && bytes[missing] === SYNC_BYTE) {
      runs.push(Buffer.concat([rest, bytes.subarray(0, missing)]));
      return bytes.subarray(missing);
    }
    return Buffer.concat([rest, bytes]);
  }

  #walk(input: Buffer, at: number, runs: Buffer[]): number {
    let end = at;
    while (input[end + PACKET_SIZE] === SYNC_BYTE) end += PACKET_SIZE;
    if (end > at) runs.push(input.subarray(at, end));
    if (end + PACKET_SIZE >= input.length) return this.#keep(input, end);
    this.#locked = false;
    this.#syncLosses += 1;
    return end;
  }

  /** The beginning of the next grid; the input's end when more bytes must decide. */
  #search(input: Buffer, at: number): number {
    let candidate = input.indexOf(SYNC_BYTE, at);
    while (candidate !== -1 && !mayBeGrid(input, candidate)) {
      candidate = input.indexOf(SYNC_BYTE, candidate + 1);
    }
    const found = candidate === -1 ? input.length : candidate;
    this.#droppedBytes += found - at;
    this.#unsynced += found - at;
    if (found + (GRID_PACKETS - 1) * PACKET_SIZE >= input.length) return this.#keep(input, found);
    this.#locked = true;
    this.#unsynced = 0;
    return found;
  }

  /** A slice, and no copy: what comes next may lie right behind it. */
  #keep(input: Buffer, from: number): number {
    this.#rest = input.subarray(from);
    return input.length;
  }
}

/** False when a sync byte is missing in what can be seen of the grid at `at`. */
function mayBeGrid(input: Buffer, at: number): boolean {
  const end = Math.min(input.length, at + GRID_PACKETS * PACKET_SIZE);
  for (let next = at; next < end; next += PACKET_SIZE) {
    if (input[next] !== SYNC_BYTE) return false;
  }
  return true;
}
