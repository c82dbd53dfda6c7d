import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import type { EngineAddress } from '../../../src/shared/config/settings.js';

export interface RawEngine {
  readonly host: string;
  readonly port: number;
  readonly openSockets: number;
  /** Connections in all. */
  readonly connections: number;
  /** First lines of the requests. */
  readonly requests: readonly string[];
  close(): Promise<void>;
}

/** A TCP server that answers each request with the exact bytes `answer` writes. */
export async function startRawEngine(
  answer: (socket: Socket, requestLine: string) => void,
): Promise<RawEngine> {
  const sockets = new Set<Socket>();
  const requests: string[] = [];
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => socket.destroy());
    socket.once('data', (head) => {
      const line = head.toString().split('\r\n')[0] ?? '';
      requests.push(line);
      answer(socket, line);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    host: '127.0.0.1',
    port,
    requests,
    get openSockets() {
      return sockets.size;
    },
    get connections() {
      return connections;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

export function addressOf(engine: { readonly host: string; readonly port: number }): EngineAddress {
  return { id: 'e', host: engine.host, port: engine.port, forwarded: false, max: null };
}
