/** What goes on when its caller has gone, and is to be over before the process ends. */
export class BackgroundWork {
  readonly #running = new Set<Promise<void>>();

  /** `work` never rejects. */
  add(work: Promise<void>): void {
    this.#running.add(work);
    void work.then(() => this.#running.delete(work));
  }

  async over(): Promise<void> {
    await Promise.all(this.#running);
  }
}
