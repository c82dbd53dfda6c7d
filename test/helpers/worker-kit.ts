import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { systemClock } from '../../src/shared/clock.js';
import type { RedisSettings, Settings } from '../../src/shared/config/settings.js';
import { AppError } from '../../src/shared/errors.js';
import { newClientId, newWorkerId, type StreamId, type WorkerId } from '../../src/shared/ids.js';
import type { WorkerMessage } from '../../src/shared/ipc/messages.js';
import { silentLogger } from './silent-logger.js';
import { makeParts, type WorkerParts } from '../../src/worker/parts.js';
import type { StreamMover } from '../../src/worker/stream/stream-mover.js';
import type { SimulatedEngine } from '../simulator/engine.js';
import { testSettings } from './settings.js';
import { PATIENCE_MS, until } from './until.js';

/** A player of a kit worker: a TCP connection that names its stream and takes what comes. */
export class KitPlayer {
  readonly #socket: Socket;
  readonly #parts: Buffer[] = [];
  #closed = false;

  constructor(port: number, stream: StreamId, user = '') {
    this.#socket = connect(port, '127.0.0.1');
    this.#socket.write(`${stream}${user}`);
    this.#socket.on('data', (bytes) => this.#parts.push(bytes));
    this.#socket.on('error', () => undefined);
    this.#socket.on('close', () => (this.#closed = true));
  }

  get received(): Buffer {
    return Buffer.concat(this.#parts);
  }

  get bytes(): number {
    return this.#parts.reduce((sum, { length }) => sum + length, 0);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** The code of the error it was told, or `null`. */
  get refusal(): string | null {
    const first = this.#parts[0];
    return first?.[0] === 0x21 ? first.toString('latin1', 1) : null;
  }

  async untilMedia(bytes = 188 * 10, ms = PATIENCE_MS): Promise<void> {
    const wanted = this.bytes + bytes;
    await until(`${String(wanted)} bytes`, () => this.#closed || this.bytes >= wanted, ms);
    if (this.refusal !== null || this.bytes < wanted) {
      throw new Error(`closed after ${String(this.bytes)} bytes: ${this.refusal ?? 'no reason'}`);
    }
  }

  async untilRefused(ms = PATIENCE_MS): Promise<string> {
    return until('a refusal', () => this.refusal, ms);
  }

  /** Takes nothing any more, as a player does whose network is gone. */
  freeze(): void {
    this.#socket.pause();
  }

  leave(): void {
    this.#socket.destroy();
  }
}

/** A worker inside this process: its parts as `worker.ts` makes them, players instead of HTTP. */
export class KitWorker {
  readonly id: WorkerId;
  readonly sent: WorkerMessage[] = [];
  readonly parts: WorkerParts;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(id: WorkerId, parts: WorkerParts, sent: WorkerMessage[]) {
    this.id = id;
    this.parts = parts;
    this.sent = sent;
    this.#server = createServer((socket) => void this.#serve(socket));
  }

  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    await this.parts.begin();
  }

  /** Sockets of players that are open here. */
  get openSockets(): number {
    return this.#sockets.size;
  }

  owns(stream: StreamId): boolean {
    return this.parts.registry.owned().includes(stream);
  }

  /** A player; `user` as whoever checked its token would say. */
  play(stream: StreamId, user?: string): KitPlayer {
    return new KitPlayer((this.#server.address() as AddressInfo).port, stream, user);
  }

  /** Ends in order, as a drain does. */
  async stop(): Promise<void> {
    await this.parts.registry.shutdown();
    await this.#end();
  }

  /** Dies: nothing more reaches Redis or the engine, every socket is closed, nothing is cleaned up. */
  async kill(): Promise<void> {
    const { redis, registry } = this.parts;
    for (const one of [redis.control, redis.data, redis.subscriber]) one.disconnect();
    await registry.handOver((session, client) => {
      session.clients.release(client.identity, true);
      client.socket.destroy();
      return Promise.resolve();
    });
    await this.#end();
  }

  async #end(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    for (const { run } of this.parts.endSteps) await run();
  }

  async #serve(socket: Socket): Promise<void> {
    this.#sockets.add(socket);
    const gone = new AbortController();
    socket.on('error', () => undefined);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      gone.abort(new Error('the player left'));
    });
    const [name] = (await once(socket, 'data')) as [Buffer];
    const identity = {
      stream: name.toString('latin1', 0, 40) as StreamId,
      user: name.toString('latin1', 40) || null,
      keyType: 'id',
      client: newClientId(),
      ip: '127.0.0.1',
      userAgent: 'kit',
      connectedAt: Date.now(),
    } as const;
    try {
      const session = await this.parts.registry.admit(identity, 'id', gone.signal);
      if (socket.destroyed) session.clients.abandon(identity);
      else session.clients.play(identity, socket.resume());
    } catch (thrown) {
      socket.end(`!${thrown instanceof AppError ? thrown.code : String(thrown)}`);
    }
  }
}

export interface KitOptions {
  readonly redis: RedisSettings;
  readonly engines: readonly SimulatedEngine[];
  readonly settings?: Partial<Settings>;
  /** What carries streams to siblings in the place of a primary. */
  readonly mover?: StreamMover;
}

const NOBODY_CARRIES: StreamMover = {
  target: () => Promise.resolve(null),
  give: () => Promise.resolve(),
};

/** Short lives, so that what is to run out does so within a test. */
export function kitSettings({ redis, engines, settings }: KitOptions): Settings {
  return testSettings({
    redis,
    graceMs: 200,
    // Eight workers and their players in one process on a busy machine: no start is given up for that.
    initTimeoutMs: 20_000,
    maxStreamsPerEngine: 100,
    engines: engines.map(({ address, host, port }) => ({
      ...{ id: address, host, port, forwarded: false, max: null },
    })),
    ...settings,
  });
}

export async function startWorker(options: KitOptions): Promise<KitWorker> {
  const id = newWorkerId(process.pid);
  const sent: WorkerMessage[] = [];
  const parts = await makeParts({
    link: { send: (message) => void sent.push(message) },
    mover: options.mover ?? NOBODY_CARRIES,
    start: {
      ...{ type: 'start', worker: id, apiKey: '', apiKeyConfigured: false },
      settings: kitSettings(options),
    },
    logger: silentLogger,
    clock: systemClock,
  });
  const worker = new KitWorker(id, parts, sent);
  await worker.start();
  return worker;
}

export function startWorkers(count: number, options: KitOptions): Promise<KitWorker[]> {
  return Promise.all(Array.from({ length: count }, () => startWorker(options)));
}
