import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import type { Server } from 'node:net';

/** Below those that the system gives to outgoing connections (32768 and more on Linux). */
const PORTS = [15_000, 32_000] as const;

/**
 * Listens on a free port that is kept over a time in which nobody listens there: a connection that gets its
 * own port from the system never takes it, nor connects to itself while it knocks there.
 */
export async function listenOnFreePort(server: Server, host: string): Promise<number> {
  for (;;) {
    const port = randomInt(...PORTS);
    server.listen(port, host);
    try {
      await once(server, 'listening');
      return port;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    }
  }
}
