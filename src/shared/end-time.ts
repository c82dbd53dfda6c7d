/** A day, or an instant with its zone: a time of nowhere would end at another hour on each host. */
const DAY = /^\d{4}-\d{2}-\d{2}$/;
const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2})?(?:Z|[+-]\d{2}:\d{2})$/;
const DAY_MS = 86_400_000;

/**
 * When something ends, in ms since the epoch: an instant such as `2030-12-31T18:00:00Z`, or a day,
 * which counts up to its end in UTC. `null` for everything else.
 */
export function parseEnd(text: string): number | null {
  const isDay = DAY.test(text);
  if (!isDay && !INSTANT.test(text)) return null;
  const at = Date.parse(text);
  // 2030-02-30 would become the second of March.
  const day = text.slice(0, 10);
  const real = Date.parse(`${day}T00:00:00Z`);
  if (Number.isNaN(at) || Number.isNaN(real)) return null;
  if (new Date(real).toISOString().slice(0, 10) !== day) return null;
  return isDay ? at + DAY_MS : at;
}
