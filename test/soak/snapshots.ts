import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { growthBetween, kindsOf } from './heap-growth.js';

/** Of the run; the last rest is the third: minutes 5, 15 and 30 of the long form. */
const SHARES = [1 / 6, 1 / 2, 1];
const WORTH_BYTES = 4_096;

/** Heap snapshots of each process at three rests of a run, and what differs between them. */
export class Snapshots {
  readonly #folder: string;
  /** By process, in the order of time. */
  readonly #files = new Map<number, string[]>();
  #taken = 0;

  constructor(folder: string) {
    this.#folder = resolve(folder);
    mkdirSync(this.#folder, { recursive: true });
  }

  /** Where to put those of this rest; `null` when none are due. `share` is how much of the run is over. */
  due(share: number): ((pid: number) => string) | null {
    if (share < (SHARES[this.#taken] ?? Infinity)) return null;
    const number = ++this.#taken;
    return (pid) => {
      const file = join(this.#folder, `${String(pid)}-${String(number)}.heapsnapshot`);
      this.#files.set(pid, [...(this.#files.get(pid) ?? []), file]);
      return file;
    };
  }

  /** What grew from each snapshot to the next. */
  report(): string {
    return [...this.#files].map(([pid, files]) => this.#reportOf(pid, files)).join('');
  }

  #reportOf(pid: number, files: readonly string[]): string {
    const kinds = files.map(kindsOf);
    return kinds
      .slice(1)
      .map((after, i) => {
        const rows = growthBetween(kinds[i] ?? new Map(), after, WORTH_BYTES).map(
          ({ kind, count, bytes }) =>
            `  ${(bytes / 1_024).toFixed(1).padStart(9)} KB ${String(count).padStart(7)}  ${kind}\n`,
        );
        const title = `process ${String(pid)}, snapshot ${String(i + 1)} to ${String(i + 2)}`;
        return `\n${title}\n${rows.join('')}`;
      })
      .join('');
  }
}
