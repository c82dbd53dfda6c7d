const GROUP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Ctrl-C, a closed terminal and pm2 signal the whole group; a worker obeys the primary only, which
 * gets the same signal (style 4.2).
 */
export function ignoreGroupSignals(): void {
  for (const signal of GROUP_SIGNALS) process.on(signal, () => undefined);
}
