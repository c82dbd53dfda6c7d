import type { Server } from 'node:http';
import type { Socket } from 'node:net';

import type { ParsedRequest } from '../../shared/ipc/messages.js';

/** Headers that speak of a body, which was read by the worker that died. */
const BODY_HEADERS = new Set(['content-length', 'transfer-encoding', 'expect']);

/**
 * The head of a request as it may have come over the wire. Whatever could begin another line is
 * cut out of the values, though a parser has seen them before.
 */
export function requestHead(request: ParsedRequest): Buffer {
  const headers = Object.entries(request.headers)
    .filter(([name]) => !BODY_HEADERS.has(name.toLowerCase()))
    .map(([name, value]) => `${name}: ${value}`);
  const lines = [`${request.method} ${request.url} HTTP/1.1`, ...headers];
  // latin1 is how node:http reads header values.
  return Buffer.from(`${lines.map(oneLine).join('\r\n')}\r\n\r\n`, 'latin1');
}

/** Lets the server answer a request that another worker had read from this socket. */
export function replayRequest(server: Server, socket: Socket, request: ParsedRequest): void {
  socket.unshift(requestHead(request));
  server.emit('connection', socket);
}

function oneLine(text: string): string {
  return text.replace(/[\r\n\0]/g, '');
}
