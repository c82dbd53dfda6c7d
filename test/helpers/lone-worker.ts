import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Settings } from '../../src/shared/config/settings.js';
import { newWorkerId, type WorkerId } from '../../src/shared/ids.js';
import {
  isWorkerMessage,
  type PrimaryMessage,
  type WorkerMessage,
} from '../../src/shared/ipc/messages.js';
import { until } from './until.js';

const PROGRAM = fileURLToPath(new URL('../../src/worker/main.ts', import.meta.url));

type MessageOf<T extends WorkerMessage['type']> = Extract<WorkerMessage, { readonly type: T }>;

/** The process of a real worker; the test is its primary, and says what comes in which order. */
export class LoneWorker {
  readonly id: WorkerId;
  readonly sent: WorkerMessage[] = [];
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.id = newWorkerId(child.pid ?? 0);
    child.on('message', (message) => {
      if (isWorkerMessage(message)) this.sent.push(message);
    });
  }

  /** Resolves when it serves. */
  static async start(settings: Settings): Promise<LoneWorker> {
    const stdio = ['ignore', 'ignore', 'inherit', 'ipc'] as const;
    const worker = new LoneWorker(
      fork(PROGRAM, { execArgv: ['--import', 'tsx'], stdio: [...stdio] }),
    );
    await worker.heard('hello');
    worker.send({
      type: 'start',
      worker: worker.id,
      settings,
      apiKey: '',
      apiKeyConfigured: false,
    });
    await worker.heard('ready');
    return worker;
  }

  /** A socket that rides along stays open here too, as the primary's does. */
  send(message: PrimaryMessage, socket?: Socket): void {
    this.#child.send(message, socket, { keepOpen: true });
  }

  /** The first message of this type, once it has come. */
  heard<T extends WorkerMessage['type']>(type: T): Promise<MessageOf<T>> {
    const ofType = (message: WorkerMessage): message is MessageOf<T> => message.type === type;
    return until(`the worker says ${type}`, () => this.sent.find(ofType), 30_000);
  }

  /** Resolves with the exit code; a worker that is still there is killed. */
  async end(): Promise<number | null> {
    const { exitCode, signalCode } = this.#child;
    if (exitCode !== null || signalCode !== null) return exitCode;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
    return null;
  }

  async exited(): Promise<number | null> {
    await until('the worker is gone', () => this.#child.exitCode !== null, 30_000);
    return this.#child.exitCode;
  }
}
