import { setTimeout as delay } from 'node:timers/promises';

/** Waits until `condition` gives something truthy and returns it; rejects after `ms`, naming `what`. */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  ms = 5_000,
): Promise<NonNullable<T>> {
  for (const end = Date.now() + ms; ;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() >= end) throw new Error(`waited ${String(ms)} ms in vain: ${what}`);
    await delay(10);
  }
}
