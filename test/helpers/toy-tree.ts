import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import type { Settings } from '../../src/shared/config/settings.js';
import type { WorkerStatus } from '../../src/shared/ipc/messages.js';
import { ProcessTree } from './process-tree.js';
import { testSettings } from './settings.js';

const PROGRAM = fileURLToPath(new URL('./toy-primary.ts', import.meta.url));

/** The toy primary and its workers, and what tests ask of them. */
export class ToyTree {
  readonly tree: ProcessTree;
  port = 0;
  readonly #directory = mkdtempSync(join(tmpdir(), 'toy-'));
  readonly #sockets = new Set<Socket>();

  constructor(overrides: Partial<Settings> = {}, failing = false, more: NodeJS.ProcessEnv = {}) {
    this.settings(overrides);
    this.failing(failing);
    const env = {
      ...process.env,
      ...more,
      TOY_SETTINGS: join(this.#directory, 'settings.json'),
      TOY_FAIL: join(this.#directory, 'fail'),
      TOY_SINK: join(this.#directory, 'sink'),
    };
    this.tree = new ProcessTree({ argv: ['--import', 'tsx', PROGRAM], env });
  }

  /** Started, listening, and with all its workers serving. */
  static async start(
    overrides: Partial<Settings> = {},
    more: NodeJS.ProcessEnv = {},
  ): Promise<ToyTree> {
    const toy = new ToyTree(overrides, false, more);
    const line = await toy.tree.line('listening', 30_000);
    toy.port = line.port as number;
    return toy;
  }

  /** What the next reload reads. */
  settings(overrides: Partial<Settings>): void {
    writeFileSync(join(this.#directory, 'settings.json'), JSON.stringify(testSettings(overrides)));
  }

  /** Whether workers that start from now on fail. */
  failing(yes: boolean): void {
    const path = join(this.#directory, 'fail');
    if (yes) writeFileSync(path, '');
    else rmSync(path, { force: true });
  }

  /** Where owners send what they read of an engine. */
  sink(port: number): void {
    writeFileSync(join(this.#directory, 'sink'), String(port));
  }

  /** The event loop of this worker stands still from now on; the system sees it run. */
  async block(pid: number, ms: number): Promise<void> {
    while ((await this.get(`/block?pid=${String(pid)}&ms=${String(ms)}`)).body !== 'yes');
    await new Promise((resolve) => setTimeout(resolve, 60));
  }

  get(path: string): Promise<{ status: number; body: string }> {
    return new Promise((resolve, reject) => {
      const agent = new Agent({ keepAlive: false });
      const options = { host: '127.0.0.1', port: this.port, path, agent };
      const asked = request(options, (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (part: string) => (body += part));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
        response.on('error', reject);
      });
      asked.on('error', reject);
      asked.end();
    });
  }

  async statuses(): Promise<WorkerStatus[]> {
    const { body } = await this.get('/status');
    return (JSON.parse(body) as { workers: WorkerStatus[] }).workers;
  }

  socket(text: string): RawClient {
    const socket = connect(this.port, '127.0.0.1');
    this.#sockets.add(socket);
    return new RawClient(socket, text);
  }

  player(): RawClient {
    return this.socket('GET /stream HTTP/1.1\r\nHost: toy\r\n\r\n');
  }

  async end(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await this.tree.end();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** A client that keeps everything it gets. */
export class RawClient {
  readonly socket: Socket;
  text = '';
  /** How the connection ended: `fin`, an error code, or `null` while it is open. */
  ended: string | null = null;

  constructor(socket: Socket, text: string) {
    this.socket = socket;
    socket.setEncoding('utf8');
    socket.on('data', (part: string) => (this.text += part));
    socket.on('end', () => (this.ended ??= 'fin'));
    socket.on('error', (error: NodeJS.ErrnoException) => (this.ended ??= error.code ?? 'error'));
    if (text !== '') socket.write(text);
  }

  get head(): string {
    return this.text.split('\r\n\r\n')[0] ?? '';
  }

  /** Process id of the worker that began the response. */
  get startedBy(): number {
    return Number(/^pid: (\d+)$/im.exec(this.head)?.[1]);
  }

  /** The whole lines of the stream so far. */
  get lines(): string[] {
    const body = this.text.slice(this.head.length + 4);
    return body.split('\n').slice(0, -1);
  }
}
