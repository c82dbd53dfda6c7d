import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

/**
 * The default of 511 turns a storm of connects into SYN retries of 1, 3 and 7 s (spec 1). The
 * kernel caps this at `net.core.somaxconn`, 4096 on current systems.
 */
const BACKLOG = 4_096;
/** Finds players that vanished without a FIN; their sockets have nothing else to tell by. */
const KEEP_ALIVE_DELAY_MS = 30_000;

/** Accepts TCP connections and reads nothing from them. */
export class Listener {
  readonly #server: Server;

  constructor(onConnection: (socket: Socket) => void) {
    this.#server = createServer(
      {
        // The worker that gets the socket has to see its first byte.
        pauseOnConnect: true,
        // A player that half-closes after its request still wants the answer.
        allowHalfOpen: true,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
      },
      onConnection,
    );
  }

  /** Rejects with the system's error, such as `EADDRINUSE`. */
  listen(host: string, port: number): Promise<AddressInfo> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port, backlog: BACKLOG }, () => {
        this.#server.off('error', reject);
        resolve(this.#server.address() as AddressInfo);
      });
    });
  }

  /** Errors of a listening server, such as too many open files; it goes on listening. */
  onError(handler: (error: Error) => void): void {
    this.#server.on('error', handler);
  }

  /** Stops listening at once; accepted connections are not touched. */
  close(): void {
    if (this.#server.listening) this.#server.close();
  }
}
