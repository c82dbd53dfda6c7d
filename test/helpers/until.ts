import { setTimeout as delay } from 'node:timers/promises';

/** ms; far beyond what anything takes: a busy machine is not to be told from a fault before that. */
export const PATIENCE_MS = 15_000;

/**
 * Waits until `condition` gives something truthy and returns it; rejects after `ms`, naming `what`. A shorter time
 * than the usual one is a bound that the test is about.
 */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  ms = PATIENCE_MS,
): Promise<NonNullable<T>> {
  for (const end = Date.now() + ms; ;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() >= end) throw new Error(`waited ${String(ms)} ms in vain: ${what}`);
    await delay(10);
  }
}
