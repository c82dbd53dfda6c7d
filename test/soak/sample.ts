import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Proxy } from '../helpers/proxy.js';
import { until } from '../helpers/until.js';
import { readRedis } from '../bench/redis-traffic.js';

/** What one process holds at rest. Bytes, and numbers of things. */
export interface ProcessSample {
  /** Without compiled code. */
  readonly heapUsed: number;
  readonly external: number;
  readonly rss: number;
  /** What keeps the event loop busy: sockets, timers, requests under way. */
  readonly handles: number;
  readonly descriptors: number;
}

export interface RestSample {
  /** ms since the start of the run. */
  readonly at: number;
  readonly processes: ReadonlyMap<number, ProcessSample>;
  readonly redis: { readonly used: number; readonly keys: number; readonly connections: number };
}

/** Looks at everything while nobody plays, after a forced collection of garbage in each process that lives. */
export async function sampleAtRest(
  proxy: Proxy,
  options: {
    readonly folder: string;
    readonly at: number;
    /** Processes that live all the time; a fresh one has no probe yet and would die of the signal. */
    readonly survivors: ReadonlySet<number>;
    /** Where each leaves a snapshot of its heap; `null` for none. */
    readonly snapshot?: ((pid: number) => string) | null;
  },
): Promise<RestSample> {
  const pids = [...options.survivors].filter((pid) => existsSync(`/proc/${String(pid)}`));
  const { folder, snapshot = null } = options;
  for (const pid of snapshot === null ? [] : pids) {
    writeFileSync(join(folder, `${String(pid)}.snapshot`), snapshot?.(pid) ?? '');
  }
  const primary = proxy.tree.pid;
  const workers = pids.filter((pid) => pid !== primary);
  // A worker that writes a snapshot stands still for longer than the primary would let it.
  if (snapshot !== null) process.kill(primary, 'SIGSTOP');
  const ofWorkers = await Promise.all(workers.map((pid) => sampleProcess(pid, folder))).finally(
    () => process.kill(primary, 'SIGCONT'),
  );
  const samples = [await sampleProcess(primary, folder), ...ofWorkers];
  const [{ usedBytes }, keys, clients] = await Promise.all([
    readRedis(proxy),
    proxy.look.dbsize(),
    proxy.look.info('clients'),
  ]);
  return {
    at: options.at,
    processes: new Map([primary, ...workers].map((pid, i) => [pid, samples[i] as ProcessSample])),
    redis: {
      used: usedBytes,
      keys,
      connections: Number(/connected_clients:(\d+)/.exec(clients)?.[1] ?? 0),
    },
  };
}

async function sampleProcess(pid: number, folder: string): Promise<ProcessSample> {
  const file = join(folder, `${String(pid)}.json`);
  rmSync(file, { force: true });
  process.kill(pid, 'SIGUSR2');
  const text = await until(`process ${String(pid)} says what it holds`, () => read(file), 30_000);
  const descriptors = readdirSync(`/proc/${String(pid)}/fd`).length;
  return { ...(JSON.parse(text) as Omit<ProcessSample, 'descriptors'>), descriptors };
}

function read(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}
