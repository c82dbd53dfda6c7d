import type { LogLevel } from '../config/settings.js';
import type { LogFields } from './logger.js';
import { cleanText, serialiseFields } from './serialise.js';
import type { Plain } from './serialise.js';

export interface LogRecord {
  /** Wall-clock milliseconds. */
  readonly time: number;
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: LogFields;
}

const OURS: ReadonlySet<string> = new Set(['time', 'level', 'message']);

/** One JSON object without a line break; `time` (ISO 8601), `level` and `message` come first. */
export function renderJson(record: LogRecord): string {
  const { time, level, message, fields } = record;
  const line: Record<string, Plain> = {
    time: new Date(time).toISOString(),
    level,
    message: cleanText(message),
  };
  for (const [name, value] of Object.entries(serialiseFields(fields))) {
    line[OURS.has(name) ? `field_${name}` : name] = value;
  }
  return JSON.stringify(line);
}

/** For people: one line, and below it the stacks of errors, indented. */
export function renderPretty(record: LogRecord): string {
  const stacks: string[] = [];
  const fields = Object.entries(serialiseFields(record.fields)).map(
    ([name, value]) => `${name}=${prettyValue(value, stacks)}`,
  );
  const time = new Date(record.time).toISOString().slice(11, 23);
  const head = [time, record.level.toUpperCase().padEnd(5), cleanText(record.message), ...fields];
  return [head.join(' '), ...stacks.map((stack) => stack.replace(/^/gm, '    '))].join('\n');
}

function prettyValue(value: Plain, stacks: string[]): string {
  if (typeof value === 'string') return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
  return JSON.stringify(withoutStacks(value, stacks));
}

/** An error and its causes without their stacks, which go below the line. */
function withoutStacks(value: Plain, stacks: string[]): Plain {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const { stack, cause, ...rest } = value;
  if (typeof stack === 'string') stacks.push(stack);
  return cause === undefined ? rest : { ...rest, cause: withoutStacks(cause, stacks) };
}
