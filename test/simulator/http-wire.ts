import type { Socket } from 'node:net';

const MAX_HEAD = 16_384;

export interface RequestHead {
  method: string;
  path: string;
  query: URLSearchParams;
  /** Names in lower case. */
  headers: ReadonlyMap<string, string>;
}

export interface Answer {
  status: number;
  headers?: Readonly<Record<string, string>>;
  body?: string;
  /** `false` leaves the length out and the end of the body to the close of the connection. */
  length?: boolean;
  /** `true` leaves the socket open behind the answer. */
  keepOpen?: boolean;
}

const REASONS: Readonly<Record<number, string>> = {
  200: 'OK',
  302: 'Found',
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  500: 'Internal Server Error',
  501: 'Unsupported method',
  503: 'Service Unavailable',
};

/** The engine's answer to every path it does not know: 45 bytes (engine-api 1.4). */
export const NOT_FOUND_BODY = "Internal Server Error, couldn't find resource";

export function textError(status: number, body: string): Answer {
  return { status, headers: { 'Content-Type': 'text/plain' }, body };
}

/** The content type of the JSON answers was never captured; this one is a guess (engine-api 11.7). */
export function json(value: unknown): Answer {
  return {
    status: 200,
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(value),
  };
}

/** Resolves with the request's head, or `null` when the client went away or sent something else. */
export function readHead(socket: Socket): Promise<RequestHead | null> {
  return new Promise((resolve) => {
    let text = '';
    const finish = (head: RequestHead | null): void => {
      socket.off('data', onData).off('close', onClose).off('end', onClose);
      // Keeps reading, else the client's FIN would never be seen.
      socket.resume();
      resolve(head);
    };
    const onClose = (): void => finish(null);
    const onData = (bytes: Buffer): void => {
      text += bytes.toString('latin1');
      const end = text.indexOf('\r\n\r\n');
      if (end >= 0) finish(parseHead(text.slice(0, end)));
      else if (text.length > MAX_HEAD) finish(null);
    };
    socket.on('data', onData).on('close', onClose).on('end', onClose);
  });
}

function parseHead(text: string): RequestHead | null {
  const [line = '', ...rest] = text.split('\r\n');
  const [method, target, version] = line.split(' ');
  if (!method || !target?.startsWith('/') || !version?.startsWith('HTTP/1.')) return null;
  const question = target.indexOf('?');
  const headers = rest.map((header): [string, string] => {
    const colon = header.indexOf(':');
    return [header.slice(0, colon).toLowerCase(), header.slice(colon + 1).trim()];
  });
  return {
    method,
    path: question < 0 ? target : target.slice(0, question),
    query: new URLSearchParams(question < 0 ? '' : target.slice(question + 1)),
    headers: new Map(headers),
  };
}

export function headText(status: number, headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${REASONS[status] ?? 'Unknown'}\r\n${lines.join('')}\r\n`;
}

/** `server`: the Server header of the engine's version. */
export function sendAnswer(socket: Socket, server: string, answer: Answer): void {
  if (socket.destroyed) return;
  const body = answer.body ?? '';
  const length =
    answer.length === false ? {} : { 'Content-Length': Buffer.byteLength(body).toString() };
  const headers = { Server: server, Date: new Date().toUTCString(), ...answer.headers, ...length };
  socket.write(headText(answer.status, headers) + body);
  if (!answer.keepOpen) socket.end();
}
