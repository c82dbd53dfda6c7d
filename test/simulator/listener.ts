import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { listenOnFreePort } from './ports.js';

/** A TCP server that can be taken away with all its connections and come back on the same port. */
export class Listener {
  readonly host: string;
  readonly #onSocket: (socket: Socket) => void;
  readonly #sockets = new Set<Socket>();
  #server: Server | null = null;
  #port: number;

  /** `port` 0 = any free one, kept for later lives. */
  constructor(host: string, port: number, onSocket: (socket: Socket) => void) {
    this.host = host;
    this.#port = port;
    this.#onSocket = onSocket;
  }

  get port(): number {
    return this.#port;
  }

  get address(): string {
    return `${this.host}:${this.#port}`;
  }

  get openSockets(): number {
    return this.#sockets.size;
  }

  async listen(): Promise<void> {
    const server = createServer({ noDelay: true }, (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      // Resets are ordinary here; 'close' follows.
      socket.on('error', () => socket.destroy());
      this.#onSocket(socket);
    });
    if (this.#port === 0) {
      this.#port = await listenOnFreePort(server, this.host);
    } else {
      server.listen(this.#port, this.host);
      await once(server, 'listening');
    }
    this.#server = server;
  }

  /** Refuses new connections and resets the open ones. */
  async close(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (!server) return;
    const closed = once(server, 'close');
    server.close();
    for (const socket of this.#sockets) socket.resetAndDestroy();
    await closed;
  }
}
