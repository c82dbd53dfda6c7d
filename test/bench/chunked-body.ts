const LINE_FEED = 0x0a;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const LETTER_A = 0x61;
const LETTER_F = 0x66;
const LOWER_CASE = 0x20;

/** Tells the media of a body with chunked transfer coding from its framing, in place. No chunk extensions. */
export class ChunkedBody {
  /** Bytes of the current chunk that are still to come. */
  #left = 0;
  /** What the line with the next chunk's size says so far; `null` before its first digit. */
  #size: number | null = null;

  /** Calls `media` for each piece of media between `from` and `to`, in their order. */
  read(
    bytes: Uint8Array,
    from: number,
    to: number,
    media: (from: number, to: number) => void,
  ): void {
    for (let at = from; at < to;) {
      if (this.#left === 0) {
        this.#readSize(bytes[at]!);
        at += 1;
        continue;
      }
      const end = Math.min(to, at + this.#left);
      media(at, end);
      this.#left -= end - at;
      at = end;
    }
  }

  /** The line feed that ends the chunk before comes when no digit has come. */
  #readSize(byte: number): void {
    const digit = digitOf(byte);
    if (digit !== null) {
      this.#size = (this.#size ?? 0) * 16 + digit;
    } else if (byte === LINE_FEED && this.#size !== null) {
      this.#left = this.#size;
      this.#size = null;
    }
  }
}

function digitOf(byte: number): number | null {
  if (byte >= DIGIT_0 && byte <= DIGIT_9) return byte - DIGIT_0;
  const letter = byte | LOWER_CASE;
  return letter >= LETTER_A && letter <= LETTER_F ? letter - LETTER_A + 10 : null;
}
