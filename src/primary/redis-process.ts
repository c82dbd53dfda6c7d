import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';

import { withDeadline } from '../shared/deadline.js';

export interface RedisProcessOptions {
  /** The program, `redis-server` or a path to it. */
  readonly command: string;
  readonly port: number;
  /** An empty directory of its own; removed with the process when the primary is killed. */
  readonly directory: string;
  readonly maxMemoryBytes: number;
  readonly databases: number;
}

export interface RedisExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The end of what it printed: why it did not start. */
  readonly output: string;
}

/**
 * The shell becomes the server by `exec`, so that the pid is the server's. Before that it leaves a
 * watcher behind, which waits on fd 3: a line means that all is done, the end of the pipe without
 * one means that the primary was killed and the server has to follow. A parent killed by SIGKILL
 * can do nothing itself, and Node has no prctl(PR_SET_PDEATHSIG).
 */
const SCRIPT = `
directory=$1; shift
( read -r _ <&3 || { kill -KILL $$; rmdir "$directory"; } ) 0</dev/null >/dev/null 2>&1 &
exec "$@" 3<&-
`;

const OUTPUT_CHARACTERS = 2_000;
const OUTPUT_DEADLINE_MS = 200;
const TERM_DEADLINE_MS = 2_000;
const KILL_DEADLINE_MS = 2_000;

/** One life of the embedded server: begun by the constructor, ended once. */
export class RedisProcess {
  /** Never rejects: a system without processes, memory or descriptors left is told of in `output`. */
  readonly exited: Promise<RedisExit>;
  readonly #child: ChildProcess | null;
  #running = true;

  constructor(options: RedisProcessOptions) {
    try {
      this.#child = start(options);
      this.exited = this.#watch(this.#child);
    } catch (error) {
      // Node throws some failures of the system, and tells of others by an event.
      this.#child = null;
      this.#running = false;
      this.exited = Promise.resolve({ code: null, signal: null, output: String(error) });
    }
  }

  /** `null` when not even the shell could be started. */
  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  get running(): boolean {
    return this.#running;
  }

  /** SIGTERM, and SIGKILL when that does not help within 2 s. Resolves when the process is gone. */
  async stop(): Promise<void> {
    if (!this.#running || this.#child === null) return;
    this.#child.kill('SIGTERM');
    try {
      await withDeadline(this.exited, TERM_DEADLINE_MS, 'redis-server');
    } catch {
      this.#child.kill('SIGKILL');
      await withDeadline(this.exited, KILL_DEADLINE_MS, 'killed redis-server');
    }
  }

  async #watch(child: ChildProcess): Promise<RedisExit> {
    const output = new Tail();
    child.stdout?.setEncoding('utf8').on('data', (text: string) => output.add(text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => output.add(text));
    // Without a descriptor left Node gives it no pipes at all, whatever the types say.
    const pipes = child.stdio as ChildProcess['stdio'] | undefined;
    const watcher = pipes?.[3] as Socket | undefined;
    // The watcher may be dead already, and that is no matter.
    watcher?.on('error', () => undefined);
    const closed = once(child, 'close').catch(() => undefined);
    let code: number | null = null;
    let signal: NodeJS.Signals | null = null;
    try {
      [code, signal] = (await once(child, 'exit')) as [typeof code, typeof signal];
    } catch (error) {
      output.add(String(error));
    }
    this.#running = false;
    watcher?.end('\n');
    watcher?.unref();
    // What it printed last may still be in the pipe.
    await withDeadline(closed, OUTPUT_DEADLINE_MS, 'its output').catch(() => undefined);
    return { code, signal, output: output.text };
  }
}

function start(options: RedisProcessOptions): ChildProcess {
  return spawn('/bin/sh', ['-c', SCRIPT, 'sh', options.directory, ...argv(options)], {
    cwd: options.directory,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    // A group of its own: Ctrl-C means the primary, which ends the server last.
    detached: true,
  });
}

class Tail {
  text = '';

  add(text: string): void {
    this.text = (this.text + text).slice(-OUTPUT_CHARACTERS);
  }
}

/** No configuration file, no persistence, and full memory is an error instead of lost locks. */
function argv(options: RedisProcessOptions): string[] {
  const settings: Record<string, string> = {
    port: String(options.port),
    bind: '127.0.0.1',
    daemonize: 'no',
    dir: options.directory,
    save: '',
    appendonly: 'no',
    maxmemory: String(options.maxMemoryBytes),
    'maxmemory-policy': 'noeviction',
    databases: String(options.databases),
    loglevel: 'warning',
  };
  return [
    options.command,
    ...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]),
  ];
}
