import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { listenOnFreePort } from '../simulator/ports.js';

export interface TestRedis {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Ends it in order. */
  stop(): Promise<void>;
  /** Ends it as a power cut would. */
  kill(): Promise<void>;
}

const START_TIMEOUT_MS = 15_000;

/** A real Redis on a port of its own that keeps nothing; `port` brings one back where it was. */
export async function startRedis(
  options: {
    readonly port?: number;
    readonly args?: readonly string[];
    /** A file that the server may write to. */
    readonly config?: string;
  } = {},
): Promise<TestRedis> {
  const port = options.port ?? (await freePort());
  const file = options.config === undefined ? [] : [options.config];
  const args = ['--bind', '127.0.0.1', '--port', String(port), '--save', '', '--appendonly', 'no'];
  // A replica is in step at once instead of waiting for others, and writes no file of what it gets.
  args.push('--repl-diskless-sync-delay', '0', '--repl-diskless-load', 'on-empty-db');
  const child = spawn('redis-server', [...file, ...args, ...(options.args ?? [])], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill(signal);
      // A frozen server takes no signal but this one.
      if (signal === 'SIGTERM') child.kill('SIGCONT');
      await exited;
    }
  };
  const timer = setTimeout(() => child.kill('SIGKILL'), START_TIMEOUT_MS);
  let ready = false;
  for await (const line of createInterface({ input: child.stdout })) {
    ready = /Ready to accept connections|Sentinel ID is/.test(line);
    if (ready) break;
  }
  clearTimeout(timer);
  child.stdout.resume();
  const pid = child.pid;
  if (!ready || pid === undefined) {
    await exited;
    throw new Error(`redis-server did not start on port ${String(port)}`);
  }
  return {
    url: `redis://127.0.0.1:${String(port)}`,
    port,
    pid,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  };
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listenOnFreePort(server, '127.0.0.1');
  server.close();
  await once(server, 'close');
  return port;
}
