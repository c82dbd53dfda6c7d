import { createServer, type RequestListener, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { oneByOne } from './one-request.js';

/** Limits of the public port (spec 6); ms and bytes. Tests make them short. */
export interface ServerLimits {
  /** The request line and all headers together. */
  readonly maxHeaderBytes: number;
  /** From the first byte of a request to the end of its headers. */
  readonly headersTimeoutMs: number;
  /** From the first byte of a request to its end; a long answer is not cut by it (style 5.3.1). */
  readonly requestTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  /** How often the two timeouts above are looked at. Node's own 30 s would make 10 s into 40. */
  readonly checkIntervalMs: number;
}

export const SERVER_LIMITS: ServerLimits = {
  maxHeaderBytes: 16_384,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  keepAliveTimeoutMs: 5_000,
  checkIntervalMs: 1_000,
};

/** A server that listens nowhere: the primary's sockets are given to it one by one. */
export interface FedServer {
  readonly server: Server;
  /** Takes over a socket whose first byte nobody has read. */
  serve(socket: Socket): void;
  /** Ends idle connections and stops the timers; what is being answered goes on. */
  close(): void;
}

export function makeServer(
  listener: RequestListener,
  limits: ServerLimits = SERVER_LIMITS,
): FedServer {
  const server = createServer(
    {
      maxHeaderSize: limits.maxHeaderBytes,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      connectionsCheckingInterval: limits.checkIntervalMs,
    },
    oneByOne(listener),
  );
  // An idle player that is paused must not be ended by the server (style 5.3.1).
  server.timeout = 0;
  // Node starts the check of the timeouts with this event only; without it a half-sent request on a
  // socket that was fed stayed open for ever (spec 1).
  server.emit('listening');
  return {
    server,
    serve: (socket) => {
      server.emit('connection', socket);
    },
    close: () => {
      server.close();
      server.closeIdleConnections();
    },
  };
}
