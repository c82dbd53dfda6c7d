import { startProxy, type Proxy } from '../helpers/proxy.js';
import type { BaselineMethods } from './baseline.js';
import type { Roles } from './cpu.js';
import { BenchProcess } from './processes.js';

/** Something that serves streams to players. */
export interface Target {
  readonly name: string;
  readonly port: number;
  readonly proxy: Proxy | null;
  /** So many streams of one engine it serves; any number where this is absent. */
  readonly mostStreams?: number;
  path(stream: string): string;
  /** Its processes now. */
  roles(): Roles;
  /** Before the first player of these streams comes; `rate` is each one's in bytes per second. */
  prepare?(streams: readonly string[], rate: number): Promise<void>;
  stop(): Promise<void>;
}

/** The defaults of the settings that tests shorten; the grace period only spares the bench time. */
const PRODUCTION: Readonly<Record<string, string>> = {
  PROXY_GRACE_PERIOD: '1',
  PROXY_STALL_TIMEOUT: '5',
  PROXY_INIT_TIMEOUT: '30',
  PROXY_CONNECTION_TIMEOUT: '10',
  PROXY_OWNER_LOCK_TTL: '6',
  PROXY_HEARTBEAT_INTERVAL: '10',
  PROXY_CLEANUP_INTERVAL: '60',
  PROXY_JOIN_BEHIND: '2',
  PROXY_MAX_STREAMS_PER_ENGINE: '1000',
  PROXY_GATHER: '50',
};

/** The proxy's own defaults (spec 2.2): the baseline cuts the same way. */
const CHUNK_BYTES = 188 * 5_644;
const FLUSH_MS = 100;

export async function startBaseline(engine: string): Promise<Target> {
  const server = new BenchProcess<BaselineMethods>('./baseline.ts');
  const port = await server.call('start', { engine, chunkBytes: CHUNK_BYTES, flushMs: FLUSH_MS });
  return {
    name: 'baseline',
    port,
    proxy: null,
    path: (stream) => `/?id=${stream}`,
    roles: () => ({ baseline: [server.pid] }),
    stop: () => server.stop(),
  };
}

export async function startProxyTarget(
  engine: string,
  workers: number,
  env: Readonly<Record<string, string>> = {},
): Promise<Target> {
  const proxy = await startProxy({
    workers,
    env: { ...PRODUCTION, ACE_ENGINES: `${engine};id=e1`, ...env },
  });
  return {
    name: `proxy, ${workers} worker${workers === 1 ? '' : 's'}`,
    port: proxy.port,
    proxy,
    path: (stream) => `/ace/getstream?id=${stream}`,
    roles: () => ({
      primary: [proxy.tree.pid],
      workers: proxy.workers(),
      redis: [proxy.redis.pid],
    }),
    stop: async () => {
      await proxy.stop();
    },
  };
}
