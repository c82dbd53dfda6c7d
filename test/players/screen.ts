/** The pictures of one player, as they come. */
export class Screen {
  #frames = 0;
  #firstAt: number | null = null;
  #lastAt = 0;
  #longestStill = 0;

  get frames(): number {
    return this.#frames;
  }

  /** Wall clock, ms, of the first picture. */
  get firstAt(): number | null {
    return this.#firstAt;
  }

  /** ms that the picture stood still at most, since the last `watch`. */
  get longestStill(): number {
    return Math.max(this.#longestStill, Date.now() - this.#lastAt);
  }

  /** Forgets how long it stood still so far. */
  watch(): void {
    this.#longestStill = 0;
    this.#lastAt = Date.now();
  }

  /** `frames` pictures in all have been decoded; a smaller number than before says nothing. */
  show(frames: number, at = Date.now()): void {
    if (frames <= this.#frames) return;
    this.#frames = frames;
    this.#firstAt ??= at;
    if (this.#lastAt > 0) this.#longestStill = Math.max(this.#longestStill, at - this.#lastAt);
    this.#lastAt = at;
  }
}
