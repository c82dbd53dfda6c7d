/** A reproducible stream of numbers in [0, 1): mulberry32, so that a failing run can be repeated by its seed. */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  }

  /** An integer in [0, below). */
  below(below: number): number {
    return Math.floor(this.next() * below);
  }

  hex(digits: number): string {
    return Array.from({ length: digits }, () => this.below(16).toString(16)).join('');
  }

  digits(count: number): string {
    return Array.from({ length: count }, () => this.below(10).toString()).join('');
  }

  /** `length` bytes without the TS sync byte 0x47, so that no parser can find a grid in them. */
  garbage(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    for (let i = 0; i < length; i += 1) {
      const byte = this.below(255);
      bytes[i] = byte >= 0x47 ? byte + 1 : byte;
    }
    return bytes;
  }
}
