import type { Proxy } from '../helpers/proxy.js';

/** Counters of a Redis server since its start. */
export interface RedisCounters {
  readonly commands: number;
  readonly inBytes: number;
  readonly outBytes: number;
  readonly usedBytes: number;
  /** Calls and microseconds by command; what a script calls counts on its own too. */
  readonly byCommand: Readonly<Record<string, { readonly calls: number; readonly usec: number }>>;
}

export async function readRedis({ look }: Proxy): Promise<RedisCounters> {
  const [stats, memory, commands] = await Promise.all([
    look.info('stats'),
    look.info('memory'),
    look.info('commandstats'),
  ]);
  const byCommand = Object.fromEntries(
    [...commands.matchAll(/cmdstat_([^:]+):calls=(\d+),usec=(\d+)/g)].map(
      ([, name = '', calls, usec]) => [name, { calls: Number(calls), usec: Number(usec) }],
    ),
  );
  return {
    commands: numberOf(stats, 'total_commands_processed'),
    inBytes: numberOf(stats, 'total_net_input_bytes'),
    outBytes: numberOf(stats, 'total_net_output_bytes'),
    usedBytes: numberOf(memory, 'used_memory'),
    byCommand,
  };
}

/** Per second; commands that were not called are left out. */
export function redisRates(
  before: RedisCounters,
  after: RedisCounters,
  seconds: number,
): { commands: number; inBytes: number; outBytes: number; calls: Record<string, number> } {
  const calls: Record<string, number> = {};
  for (const [name, now] of Object.entries(after.byCommand)) {
    const count = now.calls - (before.byCommand[name]?.calls ?? 0);
    if (count > 0) calls[name] = Math.round((count / seconds) * 10) / 10;
  }
  return {
    commands: (after.commands - before.commands) / seconds,
    inBytes: (after.inBytes - before.inBytes) / seconds,
    outBytes: (after.outBytes - before.outBytes) / seconds,
    calls,
  };
}

function numberOf(info: string, field: string): number {
  return Number(new RegExp(`^${field}:(\\d+)`, 'm').exec(info)?.[1] ?? 0);
}
