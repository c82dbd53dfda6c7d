import { fileURLToPath } from 'node:url';
import type { SimulatedEngine } from '../simulator/engine.js';
import { startProxy, type Place, type Proxy } from './proxy.js';
import type { TestRedis } from './redis-server.js';
import { API_KEY } from './stage.js';

const OTHER_CLOCK = fileURLToPath(new URL('./other-clock.mjs', import.meta.url));

/** Life of a client's record on these hosts. */
export const LEASE_MS = 3_000;

export interface HostOptions {
  readonly redis: TestRedis;
  /** `host:port` lists as `ACE_ENGINES` has them, or engines on this machine. */
  readonly engines: readonly SimulatedEngine[] | string;
  readonly workers?: number;
  /** ms by which this host's wall clock differs from the machine's. */
  readonly clockAheadMs?: number;
  readonly place?: Place;
  readonly env?: Readonly<Record<string, string>>;
}

/** One of several proxies on one Redis, with a clock of its own. */
export function startHost(options: HostOptions): Promise<Proxy> {
  const { redis, engines, workers = 2, clockAheadMs = 0, place, env } = options;
  return startProxy({
    redis,
    workers,
    ...(typeof engines !== 'string' && { engines }),
    ...(place && { place }),
    env: {
      PROXY_API_KEY: API_KEY,
      // So long the clients of a host that died are believed to watch.
      PROXY_CLIENT_TTL: String(LEASE_MS / 1_000),
      ...(typeof engines === 'string' && { ACE_ENGINES: engines }),
      ...(clockAheadMs !== 0 && {
        NODE_OPTIONS: `--import=${OTHER_CLOCK}`,
        TEST_CLOCK_AHEAD_MS: String(clockAheadMs),
      }),
      ...env,
    },
  });
}

/** Who reads which chunk from Redis during `ms`: reader's address and key → times. */
export async function watchReads(proxy: Proxy, ms: number): Promise<ReadonlyMap<string, number>> {
  const reads = new Map<string, number>();
  const monitor = await proxy.look.monitor();
  monitor.on('monitor', (_time: string, args: readonly string[], source: string) => {
    const [command = '', ...keys] = args;
    if (!/^m?get$/i.test(command)) return;
    for (const key of keys.filter((each) => each.includes(':buffer:chunk:'))) {
      const read = `${source} ${key}`;
      reads.set(read, (reads.get(read) ?? 0) + 1);
    }
  });
  await new Promise((resolve) => setTimeout(resolve, ms));
  monitor.disconnect();
  return reads;
}
