import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** What a child answers: one argument in, one value out, both as JSON. */
export type Methods<M> = { readonly [K in keyof M]: (argument: never) => unknown };

interface Call {
  readonly id: number;
  readonly method: string;
  readonly argument: unknown;
}

type Answer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: string };

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

const EXIT_TIMEOUT_MS = 3_000;

/** A part of the bench that must not share a process (and its CPU time) with anything else. */
export class BenchProcess<M extends Methods<M>> {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, Pending>();
  #calls = 0;

  /** `file` is a module of this folder that calls `serve`. */
  constructor(file: string) {
    this.#child = fork(fileURLToPath(new URL(file, import.meta.url)), {
      execArgv: ['--import=tsx'],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    if (this.#child.pid === undefined) throw new Error(`${file} cannot be started`);
    this.pid = this.#child.pid;
    this.#child.on('message', (message) => this.#receive(message as Answer));
    this.#child.on('exit', () => {
      for (const { reject } of this.#pending.values()) reject(new Error(`${file} has ended`));
    });
  }

  call<K extends keyof M & string>(
    method: K,
    argument: Parameters<M[K]>[0],
  ): Promise<Awaited<ReturnType<M[K]>>> {
    const id = ++this.#calls;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve: resolve as Pending['resolve'], reject });
      this.#child.send({ id, method, argument } satisfies Call);
    });
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), EXIT_TIMEOUT_MS);
    await exited;
    clearTimeout(timer);
  }

  #receive(answer: Answer): void {
    const pending = this.#pending.get(answer.id);
    this.#pending.delete(answer.id);
    if ('error' in answer) pending?.reject(new Error(answer.error));
    else pending?.resolve(answer.value);
  }
}

/** The child's side. Ends with its parent. */
export function serve<M extends Methods<M>>(methods: M): void {
  process.on('message', (message) => {
    const { id, method, argument } = message as Call;
    const run = methods[method as keyof M] as unknown as (argument: unknown) => unknown;
    void Promise.resolve()
      .then(() => run(argument))
      .then(
        (value): Answer => ({ id, value }),
        (error: unknown): Answer => ({ id, error: String(error) }),
      )
      .then((answer) => process.send?.(answer));
  });
  process.on('disconnect', () => process.exit(0));
}
