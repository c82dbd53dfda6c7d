import type { LogRecord } from './render.js';

/** Lines of one kind in one minute; what comes on top is counted and told in one line. */
export const REPEATS_PER_WINDOW = 10;
export const WINDOW_MS = 60_000;
/** Kinds that are remembered at most: a fault per stream must not fill memory. */
const MAX_KINDS = 1_000;

interface Kind {
  readonly since: number;
  written: number;
  withheld: number;
  last: LogRecord;
}

/**
 * Keeps a fault that repeats itself from drowning the others. Warnings and errors of the same message,
 * stream, code and address are one kind; what is only information happens once each and is never withheld.
 */
export class RepeatLimiter {
  readonly #kinds = new Map<string, Kind>();

  /** What to write now: nothing, the line, or the count of the window before and the line. */
  pass(record: LogRecord): readonly LogRecord[] {
    if (record.level !== 'warn' && record.level !== 'error') return [record];
    const key = kindOf(record);
    const kind = this.#kinds.get(key);
    if (kind !== undefined && !isOver(kind, record.time)) {
      kind.last = record;
      if (kind.written < REPEATS_PER_WINDOW) {
        kind.written += 1;
        return [record];
      }
      kind.withheld += 1;
      return [];
    }
    this.#kinds.delete(key);
    this.#makeRoom();
    this.#kinds.set(key, { since: record.time, written: 1, withheld: 0, last: record });
    return kind === undefined ? [record] : [...summary(kind), record];
  }

  /** Counts of the windows that are over at `now`, of all with `Infinity`. */
  flush(now: number): readonly LogRecord[] {
    const over = [...this.#kinds].filter(([, kind]) => isOver(kind, now));
    for (const [key] of over) this.#kinds.delete(key);
    return over.flatMap(([, kind]) => summary(kind));
  }

  #makeRoom(): void {
    const [oldest] = this.#kinds.keys();
    if (this.#kinds.size >= MAX_KINDS && oldest !== undefined) this.#kinds.delete(oldest);
  }
}

/** Also when the clock was set back: else a kind would be withheld until the time it began at comes again. */
function isOver({ since }: Kind, now: number): boolean {
  return now < since || now - since >= WINDOW_MS;
}

function summary({ withheld, last }: Kind): LogRecord[] {
  return withheld === 0 ? [] : [{ ...last, fields: { ...last.fields, repeated: withheld } }];
}

function kindOf({ level, message, fields }: LogRecord): string {
  const { stream, error, ip } = fields;
  const code = fields['code'] ?? fields['reason'] ?? (error as { code?: unknown } | null)?.code;
  return [level, message, stream, code, ip].map(String).join('\n');
}
