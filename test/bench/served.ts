import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { until } from '../helpers/until.js';

/** A program that serves on a port of loopback; it is started anew for each measurement. */
export class Served {
  readonly #command: string;
  readonly #port: number;
  #process: ChildProcess | null = null;

  constructor(command: string, port: number) {
    this.#command = command;
    this.#port = port;
  }

  get pids(): readonly number[] {
    return this.#process?.pid === undefined ? [] : [this.#process.pid];
  }

  /** Ends the one before; resolves when this one accepts connections. */
  async start(args: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<void> {
    await this.end();
    this.#process = spawn(this.#command, args, { stdio: 'ignore', env });
    await until(`${this.#command} listens`, () => this.#accepts());
  }

  async end(): Promise<void> {
    if (this.#process?.kill('SIGKILL') === true) await once(this.#process, 'exit');
    this.#process = null;
  }

  async #accepts(): Promise<boolean> {
    const socket = connect(this.#port, '127.0.0.1');
    const answer = once(socket, 'connect').then(
      () => true,
      () => false,
    );
    return answer.finally(() => socket.destroy());
  }
}
