import { escapeControls, isSecretName, REDACTED, redactText } from './redact.js';

/**
 * Turns whatever a caller puts into a log field into plain JSON that is safe to print: bounded,
 * without cycles, secrets and control characters. Never throws: a log line must not end a stream.
 */

/** What a field becomes. */
export type Plain = string | number | boolean | null | Plain[] | { [key: string]: Plain };

const MAX_TEXT = 4_096;
const MAX_ITEMS = 50;
const MAX_DEPTH = 6;

interface Walk {
  readonly depth: number;
  readonly above: readonly object[];
}

export function cleanText(text: string): string {
  const bounded = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
  return escapeControls(redactText(bounded));
}

export function serialiseFields(fields: Readonly<Record<string, unknown>>): Record<string, Plain> {
  return record(fields, { depth: 0, above: [] });
}

function serialise(value: unknown, walk: Walk): Plain {
  switch (typeof value) {
    case 'string':
      return cleanText(value);
    case 'number':
      return Number.isFinite(value) ? value : String(value);
    case 'boolean':
      return value;
    case 'undefined':
      return null;
    case 'object':
      return value === null ? null : fromObject(value, walk);
    case 'bigint':
    case 'symbol':
      return cleanText(String(value));
    case 'function':
      return '[function]';
  }
}

function fromObject(value: object, walk: Walk): Plain {
  if (walk.above.includes(value)) return '[circular]';
  if (walk.depth >= MAX_DEPTH) return '[deep]';
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (value instanceof URL) return cleanText(value.href);
  if (ArrayBuffer.isView(value)) return `[${String(value.byteLength)} bytes]`;
  const below: Walk = { depth: walk.depth + 1, above: [...walk.above, value] };
  if (value instanceof Error) return fromError(value, below);
  if (value instanceof Map) return list([...value.entries()], below);
  if (value instanceof Set) return list([...value], below);
  if (Array.isArray(value)) return list(value, below);
  return record(value, below);
}

/** Name, message, stack and cause are not enumerable: JSON.stringify of an error is `{}`. */
function fromError(error: Error, walk: Walk): Plain {
  const { stack } = error;
  return {
    name: cleanText(error.name),
    message: cleanText(error.message),
    ...record(error, walk),
    ...(error.cause === undefined ? {} : { cause: serialise(error.cause, walk) }),
    ...(error instanceof AggregateError ? { errors: list(error.errors, walk) } : {}),
    ...(stack === undefined ? {} : { stack: stack.split('\n').map(cleanText).join('\n') }),
  };
}

function list(values: readonly unknown[], walk: Walk): Plain[] {
  const items = values.slice(0, MAX_ITEMS).map((value) => serialise(value, walk));
  const left = values.length - items.length;
  return left > 0 ? [...items, `[${String(left)} more]`] : items;
}

function record(value: object, walk: Walk): Record<string, Plain> {
  const result: Record<string, Plain> = {};
  for (const key of Object.keys(value).slice(0, MAX_ITEMS)) {
    result[cleanText(key)] = isSecretName(key) ? REDACTED : property(value, key, walk);
  }
  return result;
}

function property(value: object, key: string, walk: Walk): Plain {
  try {
    return serialise((value as Record<string, unknown>)[key], walk);
  } catch {
    return '[unreadable]';
  }
}
