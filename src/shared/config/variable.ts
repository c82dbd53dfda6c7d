import type { Format } from './formats.js';

/** One variable of spec 2.2. `D` is `null` where nothing is set unless the operator says so. */
export interface Variable<T, D extends string | null = string | null> {
  readonly format: Format<T>;
  /** As an operator would write it: the default passes the same grammar as everything else. */
  readonly default: D;
  /** What the table shows where the default depends on the machine or on another variable. */
  readonly shownDefault?: string;
  readonly unit: 'bytes' | 'ms' | 's' | '';
  readonly doc: string;
  /** Never printed. */
  readonly sensitive?: true;
}
