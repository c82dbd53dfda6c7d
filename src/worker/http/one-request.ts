import type { RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Serves a connection's requests one by one. Node calls the listener at once for a request that comes before
 * the one before it was answered (pipelining, RFC 9112, 9.3.2), and its media would go out where the first
 * answer belongs. Such a request is not served: the connection ends with the answer that is due, which says
 * so where its head is not written yet, and a client asks again on another one. No player pipelines.
 */
export function oneByOne(listener: RequestListener): RequestListener {
  const due = new WeakMap<Socket, ServerResponse>();
  const deaf = new WeakSet<Socket>();
  return (request, response) => {
    const { socket } = request;
    const first = due.get(socket);
    if (first === undefined) {
      due.set(socket, response);
      response.once('close', () => due.delete(socket));
      listener(request, response);
    } else if (!deaf.has(socket)) {
      deaf.add(socket);
      first.shouldKeepAlive = false;
      first.once('finish', () => socket.destroySoon());
      ignoreInput(socket);
    }
  };
}

/** The first listener also ends the HTTP parser's own reading of the handle. The peer's end is still seen. */
export function ignoreInput(socket: Socket): void {
  socket.removeAllListeners('data');
  socket.on('data', ignoreBytes);
}

function ignoreBytes(): void {
  return;
}
