import { createHash } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import type { SimulatedEngine } from '../../simulator/engine.js';

/** Forty hex digits that are the same in every run. */
export function hexOf(name: string): string {
  return createHash('sha1').update(name).digest('hex');
}

export interface RawAnswer {
  /** Everything that came, as latin-1 text. */
  text: string;
  status: number;
  headers: Record<string, string>;
  body: string;
  /** The connection ended with a reset. */
  reset: boolean;
}

/** Sends one request on a connection of its own and reads until the engine closes it or `ms` are over. */
export function ask(
  engine: SimulatedEngine,
  target: string,
  {
    method = 'GET',
    headers = {},
    ms = 3000,
  }: { method?: string; headers?: Record<string, string>; ms?: number } = {},
): Promise<RawAnswer> {
  return new Promise((resolve) => {
    const socket = connect(engine.port, engine.host);
    let text = '';
    let reset = false;
    const timer = setTimeout(() => socket.destroy(), ms);
    socket.on('data', (bytes) => (text += bytes.toString('latin1')));
    socket.on('error', () => (reset = true));
    socket.on('close', () => {
      clearTimeout(timer);
      resolve({ ...parse(text), text, reset });
    });
    socket.write(requestText(engine, target, method, headers));
  });
}

function requestText(
  engine: SimulatedEngine,
  target: string,
  method: string,
  headers: Record<string, string>,
): string {
  const all = { Host: engine.address, Connection: 'close', ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

function parse(text: string): { status: number; headers: Record<string, string>; body: string } {
  const [head = '', ...rest] = text.split('\r\n\r\n');
  const [line = '', ...headerLines] = head.split('\r\n');
  const headers = headerLines.map((header) => {
    const colon = header.indexOf(':');
    return [header.slice(0, colon).toLowerCase(), header.slice(colon + 1).trim()] as const;
  });
  return {
    status: Number(line.split(' ')[1]),
    headers: Object.fromEntries(headers),
    body: rest.join('\r\n\r\n'),
  };
}

export interface Started {
  playbackPath: string;
  statPath: string;
  commandPath: string;
  infohash: string;
  sessionId: string;
}

let pids = 0;

/** A well-behaved start: JSON mode and a fresh pid unless one is given. */
export async function start(
  engine: SimulatedEngine,
  hex: string,
  pid = `pid-${(pids += 1)}`,
  kind = 'id',
): Promise<Started> {
  const { body } = await ask(engine, `/ace/getstream?${kind}=${hex}&format=json&pid=${pid}`);
  const { response } = JSON.parse(body) as { response: Record<string, string> };
  return {
    playbackPath: new URL(response['playback_url']!).pathname,
    statPath: new URL(response['stat_url']!).pathname,
    commandPath: new URL(response['command_url']!).pathname,
    infohash: response['infohash']!,
    sessionId: response['playback_session_id']!,
  };
}

export function stop(engine: SimulatedEngine, started: Started): Promise<RawAnswer> {
  return ask(engine, `${started.commandPath}?method=stop`);
}

/** One reader on a playback path. */
export class Reader {
  readonly #socket: Socket;
  #head = '';
  #inBody = false;
  bytes = 0;
  ended: 'fin' | 'reset' | null = null;

  constructor(
    engine: SimulatedEngine,
    path: string,
    onBytes: (bytes: Buffer) => void = () => undefined,
  ) {
    this.#socket = connect(engine.port, engine.host);
    this.#socket.write(requestText(engine, path, 'GET', { 'Accept-Encoding': 'identity' }));
    this.#socket.on('error', () => (this.ended = 'reset'));
    this.#socket.on('end', () => (this.ended ??= 'fin'));
    this.#socket.on('data', (bytes) => {
      const body = this.#inBody ? bytes : this.#body(bytes);
      this.bytes += body.length;
      if (body.length > 0) onBytes(body);
    });
  }

  get head(): string {
    return this.#head;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  close(): void {
    this.#socket.destroy();
  }

  #body(bytes: Buffer): Buffer {
    const before = this.#head.length;
    this.#head += bytes.toString('latin1');
    const end = this.#head.indexOf('\r\n\r\n');
    if (end < 0) return Buffer.alloc(0);
    this.#inBody = true;
    this.#head = this.#head.slice(0, end + 4);
    return bytes.subarray(end + 4 - before);
  }
}

/** Waits out the prebuffer and opens the path that the engine redirects to. */
export async function play(
  engine: SimulatedEngine,
  started: Started,
  onBytes?: (bytes: Buffer) => void,
): Promise<Reader> {
  const { headers } = await ask(engine, started.playbackPath);
  return new Reader(engine, new URL(headers['location']!).pathname, onBytes);
}

/** Waits for a condition; fails after `ms`. */
export async function until(condition: () => boolean, what: string, ms = 10_000): Promise<void> {
  for (const end = Date.now() + ms; !condition();) {
    if (Date.now() > end) throw new Error(`waited ${ms} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
