import type { Socket } from 'node:net';

import type { ErrorCode } from '../shared/errors.js';
import { AppError } from '../shared/errors.js';

/** Closing with unread bytes would send a reset that overtakes the answer: read them this long. */
const LINGER_MS = 1_000;

/** A whole HTTP/1.1 answer with an error of the catalogue, for a socket that no worker has. */
function refusalOf(code: ErrorCode): Buffer {
  const error = new AppError(code);
  const body = JSON.stringify({ error: error.toBody() });
  const head = [
    `HTTP/1.1 ${String(error.status)} Service Unavailable`,
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${String(Buffer.byteLength(body))}`,
    `Retry-After: ${String(error.retryAfter ?? 1)}`,
    'Cache-Control: no-store',
    'Connection: close',
  ];
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`);
}

/** Answers without having looked at the request, then closes with FIN. */
export function refuse(socket: Socket, code: ErrorCode): void {
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
  socket.once('end', () => socket.destroy());
  socket.end(refusalOf(code));
  socket.resume();
}

/** Ends a socket with FIN at once; the kernel sends what is still queued. */
export function endSocket(socket: Socket): void {
  if (socket.destroyed) return;
  socket.end(() => socket.destroy());
}
