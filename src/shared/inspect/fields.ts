/** Readers of hash fields: everything in Redis is text, and any field may be missing or broken. */
export type Fields = Readonly<Record<string, string>>;

export function text(fields: Fields, name: string): string | null {
  const value = fields[name];
  return value === undefined || value === '' ? null : value;
}

export function number(fields: Fields, name: string): number | null {
  const value = text(fields, name);
  if (value === null) return null;
  const parsed = Number(value);
  return Number.isFinite(parsed) ? parsed : null;
}

export function count(fields: Fields, name: string): number {
  return number(fields, name) ?? 0;
}

/** `1` and `true` are true, `0` and `false` are false, anything else is unknown. */
export function flag(fields: Fields, name: string): boolean | null {
  const value = text(fields, name)?.toLowerCase();
  if (value === '1' || value === 'true') return true;
  return value === '0' || value === 'false' ? false : null;
}

/** Milliseconds since the epoch as ISO 8601 in UTC; `null` for what is not a time. */
export function isoTime(ms: number | null): string | null {
  if (ms === null) return null;
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}
