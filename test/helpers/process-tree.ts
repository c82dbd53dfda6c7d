import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

import { PATIENCE_MS, until } from './until.js';

export type LogLine = Readonly<Record<string, unknown>> & { readonly message?: unknown };

export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
}

export interface TreeOptions {
  /** Arguments of `node`, the program first. */
  readonly argv: readonly string[];
  /** What runs `node`, such as `ip netns exec NAME`; it has to become `node` by exec. */
  readonly through?: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
}

/** A program and the processes it starts, ended together. */
export class ProcessTree {
  readonly pid: number;
  /** JSON lines of its standard output, in their order; other lines as `{message}`. */
  readonly lines: LogLine[] = [];
  readonly exited: Promise<Exit>;
  stderr = '';
  readonly #child: ChildProcess;
  readonly #seen = new Set<number>();
  readonly #messages: unknown[] = [];

  constructor(options: TreeOptions) {
    const [command, ...argv] = [...(options.through ?? []), process.execPath, ...options.argv];
    const child = spawn(command as string, argv, {
      env: options.env ?? process.env,
      cwd: options.cwd,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    if (child.pid === undefined) throw new Error('the program cannot be started');
    this.pid = child.pid;
    this.#child = child;
    const { stdout, stderr } = child as ChildProcess & { stdout: NodeJS.ReadableStream };
    createInterface({ input: stdout }).on('line', (line) => this.lines.push(parseLine(line)));
    stderr?.on('data', (part: Buffer) => (this.stderr += part.toString()));
    child.on('message', (message) => this.#messages.push(message));
    this.exited = once(child, 'exit').then(([code, signal]) => ({
      code: code as number | null,
      signal: signal as string | null,
    }));
  }

  /** What it sent as pm2 would see it. */
  get messages(): readonly unknown[] {
    return this.#messages;
  }

  /** The process ids below it, now. */
  children(): number[] {
    const found = childrenOf(this.pid);
    for (const pid of found) this.#seen.add(pid);
    return found;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** The first line with this message. */
  async line(message: string, ms = PATIENCE_MS): Promise<LogLine> {
    try {
      return await until(`a log line "${message}"`, () => this.find(message)[0], ms);
    } catch (error) {
      throw new Error(`${this.stderr}\n${this.lines.map((l) => JSON.stringify(l)).join('\n')}`, {
        cause: error,
      });
    }
  }

  find(message: string): LogLine[] {
    return this.lines.filter((line) => String(line.message).startsWith(message));
  }

  /** Dies as a host does that loses its power: nobody has the time to tell anybody. */
  async powerOff(): Promise<void> {
    const all = [this.pid, ...this.children()];
    for (const pid of all) process.kill(pid, 'SIGSTOP');
    for (const pid of all) process.kill(pid, 'SIGKILL');
    await this.exited;
  }

  /** Kills what is left; rejects when a process outlives that. */
  async end(): Promise<void> {
    this.children();
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill('SIGCONT');
      this.#child.kill('SIGKILL');
    }
    await this.exited;
    await until('the workers end with their primary', () => this.survivors().length === 0);
  }

  /** Processes it had started that still live. */
  survivors(): number[] {
    return [...this.#seen].filter(isAlive);
  }
}

/** True for a process that has not ended; a zombie has. */
export function isAlive(pid: number): boolean {
  const state = statOf(pid)?.[0];
  return state !== undefined && state !== 'Z';
}

/** ms of processor time that a process has had, in steps of 10; `null` when it has ended. */
export function cpuMsOf(pid: number): number | null {
  const fields = isAlive(pid) ? statOf(pid) : null;
  return fields === null ? null : (Number(fields[11]) + Number(fields[12])) * 10;
}

/** All processes below `pid`. */
export function childrenOf(pid: number): number[] {
  const parents = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => [Number(name), Number(statOf(Number(name))?.[1])] as const);
  const below = (parent: number): number[] =>
    parents.filter(([, each]) => each === parent).flatMap(([child]) => [child, ...below(child)]);
  return below(pid);
}

/** The fields of /proc/<pid>/stat after the name: state, parent, … */
function statOf(pid: number): string[] | null {
  try {
    const text = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return null;
  }
}

function parseLine(line: string): LogLine {
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    return { message: line };
  }
}
