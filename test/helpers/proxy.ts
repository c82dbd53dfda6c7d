import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import type { SimulatedEngine } from '../simulator/engine.js';
import { ProcessTree } from './process-tree.js';
import { startRedis, type TestRedis } from './redis-server.js';
import { PATIENCE_MS, until } from './until.js';

const PROGRAM = fileURLToPath(new URL('../../dist/primary/main.js', import.meta.url));

/** Everything short, so that a test sees the end of every wait. Seconds unless the name says ms. */
export const FAST: Readonly<Record<string, string>> = {
  PROXY_GRACE_PERIOD: '0.6',
  PROXY_STALL_TIMEOUT: '1',
  PROXY_INIT_TIMEOUT: '5',
  PROXY_CONNECTION_TIMEOUT: '2',
  PROXY_OWNER_LOCK_TTL: '2',
  PROXY_HEARTBEAT_INTERVAL: '1',
  PROXY_CLEANUP_INTERVAL: '2',
  PROXY_JOIN_BEHIND: '0.5',
  PROXY_SHUTDOWN_TIMEOUT: '5',
  // Players stay where they were dealt: so few would all meet at the owner.
  PROXY_GATHER: '0',
};

export interface ProxyOptions {
  readonly engines?: readonly SimulatedEngine[];
  readonly workers?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** A Redis that others use too; else the proxy gets one of its own, which ends with it. */
  readonly redis?: TestRedis;
  /** How the proxy reaches that one, where its URL does not say it. */
  readonly redisEnv?: Readonly<Record<string, string>>;
  /** How the test looks into it then. */
  readonly look?: Redis;
  /** Where it runs and is reached, when not on the loopback of this machine. */
  readonly place?: Place;
}

/** A network namespace and the address by which others reach it. */
export interface Place {
  readonly namespace: string;
  readonly address: string;
}

/** The real process tree, as `npm start` starts it, on a Redis that the test can look into. */
export class Proxy {
  readonly tree: ProcessTree;
  readonly redis: TestRedis;
  readonly look: Redis;
  readonly port: number;
  readonly address: string;
  readonly #ownsRedis: boolean;

  constructor(parts: {
    tree: ProcessTree;
    redis: TestRedis;
    look: Redis;
    port: number;
    address: string;
    ownsRedis: boolean;
  }) {
    this.tree = parts.tree;
    this.redis = parts.redis;
    this.look = parts.look;
    this.port = parts.port;
    this.address = parts.address;
    this.#ownsRedis = parts.ownsRedis;
  }

  get url(): string {
    return `http://${this.address}:${String(this.port)}`;
  }

  media(id: string, kind = 'id'): string {
    return `${this.url}/ace/getstream?${kind}=${id}`;
  }

  /** Process ids of the workers that live. */
  workers(): number[] {
    return this.tree.children();
  }

  /** Process id of the worker that owns a stream, from the lock in Redis. */
  async ownerPid(id: string): Promise<number> {
    const owner = await until(`an owner of ${id}`, () =>
      this.look.get(`ace_proxy:stream:${id}:owner`),
    );
    return Number(owner.split(':').at(-2));
  }

  async keys(pattern = 'ace_proxy:stream:*'): Promise<string[]> {
    return this.look.keys(pattern);
  }

  /** Resolves when nothing of any stream is left in Redis. */
  async untilNoKeys(ms = 10_000): Promise<void> {
    await until('all keys of all streams are gone', async () => !(await this.keys()).length, ms);
  }

  async json(path: string, init?: RequestInit): Promise<{ status: number; body: unknown }> {
    const answer = await fetch(this.url + path, {
      signal: AbortSignal.timeout(PATIENCE_MS),
      ...init,
    });
    const text = await answer.text();
    return { status: answer.status, body: text === '' ? null : (JSON.parse(text) as unknown) };
  }

  /** Ends it as pm2 would; resolves to the exit code. Kills what does not end. */
  async stop(): Promise<number | null> {
    this.tree.children();
    this.tree.signal('SIGTERM');
    const stopped = await Promise.race([
      this.tree.exited,
      new Promise<null>((resolve) => setTimeout(resolve, 20_000, null).unref()),
    ]);
    await this.tree.end();
    this.look.disconnect();
    if (this.#ownsRedis) await this.redis.stop();
    return stopped?.code ?? null;
  }
}

export async function startProxy(options: ProxyOptions = {}): Promise<Proxy> {
  if (!existsSync(PROGRAM)) throw new Error('not built: run "npm run build" first');
  const redis = options.redis ?? (await startRedis());
  const env: NodeJS.ProcessEnv = {
    PATH: process.env['PATH'],
    HOME: process.env['HOME'],
    ...FAST,
    LOG_FORMAT: 'json',
    PROXY_PORT: '0',
    PROXY_HOST: options.place === undefined ? '127.0.0.1' : '0.0.0.0',
    PROXY_WORKERS: String(options.workers ?? 2),
    ...(options.redisEnv ?? { REDIS_URL: redis.url }),
    ...(options.engines?.length && {
      ACE_ENGINES: options.engines
        .map(({ address }, i) => `${address};id=e${String(i + 1)}`)
        .join(','),
    }),
    ...options.env,
  };
  const { place } = options;
  const tree = new ProcessTree({
    argv: [PROGRAM],
    env,
    ...(place && { through: ['ip', 'netns', 'exec', place.namespace] }),
  });
  try {
    const { port } = await tree.line('listening on', 30_000);
    const workers = options.workers ?? 2;
    await until('all workers serve', () => tree.find('a worker serves').length >= workers, 30_000);
    const look = lookInto(redis, options);
    look.on('error', () => undefined);
    const address = place?.address ?? '127.0.0.1';
    return new Proxy({ tree, redis, look, port: Number(port), address, ownsRedis: !options.redis });
  } catch (error) {
    await tree.end();
    if (!options.redis) await redis.stop();
    throw error;
  }
}

function lookInto(redis: TestRedis, { look }: ProxyOptions): Redis {
  return look ?? new Redis(redis.url, { retryStrategy: () => 100, maxRetriesPerRequest: null });
}
