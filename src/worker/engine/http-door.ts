import { lookup, type LookupAddress, type LookupAllOptions, type LookupOptions } from 'node:dns';
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { got, TimeoutError, type Request } from 'got';
import { takeConnection } from '../../shared/raw-socket.js';

/** The socket of a destroyed request is gone at once; this bounds a defect, not a wait. */
const CLOSE_TIMEOUT_MS = 1_000;

export interface HttpRequest {
  readonly url: URL;
  /** Connects here, whatever the name in the URL stands for by now; TLS and `Host` keep the name. */
  readonly address?: LookupAddress;
  readonly connectTimeoutMs: number;
  /** Aborts the request in any phase; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** The bytes of a body and the connection they come over. */
export interface BodySource {
  /** Attach once, in the tick in which the source was handed out or later; nothing is lost. */
  readBody(handlers: BodyHandlers): void;
  /** Destroys the connection, also in the middle of a body; no handler is called after it. */
  close(): Promise<void>;
  /**
   * Gives the connection up in the middle of the body, for another process to go on reading. What
   * was read before goes to `onData` within this call; no handler is called after it. The socket
   * does not read. `null`, and the body goes on here, when it is not being read, when it has ended,
   * over TLS, and when its framing would have to move as well (chunks, a length).
   */
  release(): Socket | null;
}

/** An answer whose headers have arrived and whose body has not been touched. */
export interface HttpAnswer extends BodySource {
  readonly status: number;
  readonly location: string | null;
}

export interface BodyHandlers {
  readonly onData: (bytes: Buffer) => void;
  /** Once: `null` when the body was complete as far as its framing can tell. */
  readonly onEnd: (failure: HttpFailure | null) => void;
}

/** `code` is Node's (`ECONNREFUSED`), the parser's (`HPE_…`), `connect-timeout` or `too-large`. */
export class HttpFailure extends Error {
  readonly code: string;

  constructor(code: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'HttpFailure';
    this.code = code;
  }
}

/**
 * Asks one URL over a socket of its own and resolves when the headers are there. No retries, no
 * redirects, no compression, no keep-alive: engines stop delivering when any of these is used
 * (engine-api 1.3, 1.6, 10.14). There is no deadline for the answer: the caller aborts.
 */
export function openHttp(request: HttpRequest): Promise<HttpAnswer> {
  const { url, signal, connectTimeoutMs } = request;
  if (signal?.aborted) return Promise.reject(reasonOf(signal));
  const stream = got.stream(url, {
    agent: { http: false, https: false },
    headers: { accept: '*/*', 'accept-encoding': 'identity', connection: 'close' },
    retry: { limit: 0 },
    followRedirect: false,
    decompress: false,
    throwHttpErrors: false,
    timeout: {
      lookup: connectTimeoutMs,
      connect: connectTimeoutMs,
      secureConnect: connectTimeoutMs,
    },
    dnsLookup: request.address ? lookupOf(request.address) : lookupIpv4First,
  });
  return new Promise((resolve, reject) => {
    const answer = new GotAnswer(stream);
    const onAbort = (): void => {
      void answer.close();
      reject(reasonOf(signal));
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    const settle = (): void => signal?.removeEventListener('abort', onAbort);
    answer.onFailureBeforeHeaders = (failure) => {
      settle();
      reject(failure);
    };
    stream.once('response', (response: IncomingMessage) => {
      settle();
      answer.begin(response);
      resolve(answer);
    });
  });
}

export interface TextAnswer {
  readonly status: number;
  readonly text: string;
}

/**
 * A whole small answer as text. Rejects with `HttpFailure` (also `too-large` above `maxBytes`), or
 * with the signal's reason.
 */
export async function getText(
  request: HttpRequest & { readonly maxBytes: number },
): Promise<TextAnswer> {
  const answer = await openHttp(request);
  try {
    const body = await readWhole(answer, request.maxBytes, request.signal);
    return { status: answer.status, text: body.toString('utf8') };
  } finally {
    await answer.close();
  }
}

/** The body of a small answer; rejects as `getText` does, and leaves closing to the caller. */
export function readWhole(
  answer: HttpAnswer,
  maxBytes: number,
  signal: AbortSignal | undefined,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    const onAbort = (): void => reject(reasonOf(signal));
    if (signal?.aborted) {
      onAbort();
      return;
    }
    signal?.addEventListener('abort', onAbort, { once: true });
    answer.readBody({
      onData: (bytes) => {
        parts.push(bytes);
        size += bytes.length;
        if (size > maxBytes) {
          reject(new HttpFailure('too-large', `more than ${String(maxBytes)} bytes came`));
        }
      },
      onEnd: (failure) => {
        signal?.removeEventListener('abort', onAbort);
        if (failure === null) resolve(Buffer.concat(parts));
        else reject(failure);
      },
    });
  });
}

/** One got stream as an answer: keeps what happens before a reader is attached. */
class GotAnswer implements HttpAnswer {
  onFailureBeforeHeaders: (failure: HttpFailure) => void = () => undefined;
  status = 0;
  location: string | null = null;
  readonly #stream: Request;
  #socket: Socket | null = null;
  #handlers: BodyHandlers | null = null;
  #began = false;
  /** The body is what comes until the connection ends. */
  #unframed = false;
  #closed = false;
  /** `undefined` while the body goes on. */
  #end: HttpFailure | null | undefined;

  constructor(stream: Request) {
    this.#stream = stream;
    // In this tick: an error without a listener is an uncaught exception (style 5.2.10).
    stream.on('error', (error: Error) => this.#fail(error));
    stream.once('end', () => this.#finish(null));
    stream.once('request', (request: ClientRequest) => {
      request.once('socket', (socket) => {
        this.#socket = socket;
      });
    });
  }

  begin(response: IncomingMessage): void {
    this.#began = true;
    this.status = response.statusCode ?? 0;
    this.location = response.headers.location ?? null;
    const { 'transfer-encoding': coding, 'content-length': length } = response.headers;
    this.#unframed = coding === undefined && length === undefined;
  }

  readBody(handlers: BodyHandlers): void {
    this.#handlers = handlers;
    if (this.#end !== undefined) {
      handlers.onEnd(this.#end);
      return;
    }
    this.#stream.on('data', (bytes: Buffer) => {
      if (!this.#closed) handlers.onData(bytes);
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    const socket = this.#socket;
    this.#stream.destroy();
    if (socket !== null && !socket.closed) await onceClosed(socket);
  }

  release(): Socket | null {
    const socket = this.#socket;
    const goesOn = this.#handlers !== null && this.#end === undefined && !this.#closed;
    if (!goesOn || !this.#unframed || socket === null) return null;
    const released = takeConnection(socket);
    if (released === null) return null;
    // Each `read` emits `data`: first the rest of the socket goes through the parser to the
    // response, then everything through got to our handler.
    while (socket.read() !== null);
    while (this.#stream.read() !== null);
    this.#closed = true;
    // Ends what got and the HTTP client hold; the connection is out of their reach.
    this.#stream.destroy();
    return released;
  }

  #fail(error: Error): void {
    const failure = toFailure(error);
    if (this.#began) this.#finish(failure);
    else this.onFailureBeforeHeaders(failure);
  }

  #finish(end: HttpFailure | null): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    if (!this.#closed) this.#handlers?.onEnd(end);
  }
}

export function onceClosed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, CLOSE_TIMEOUT_MS);
    socket.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

export function toFailure(error: Error): HttpFailure {
  if (error instanceof TimeoutError) {
    return new HttpFailure('connect-timeout', error.message, error);
  }
  const code = (error as { code?: unknown }).code;
  return new HttpFailure(typeof code === 'string' ? code : 'ERR_UNKNOWN', error.message, error);
}

function reasonOf(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason;
  return reason instanceof Error ? reason : new Error('aborted', { cause: reason });
}

type LookupCallback = (
  error: NodeJS.ErrnoException | null,
  address: string | LookupAddress[],
  family?: number,
) => void;

/** Engines listen on IPv4 only; `localhost` may be ::1 first (engine-api 3.7). */
function lookupIpv4First(
  hostname: string,
  options: LookupOptions | LookupAllOptions,
  callback: LookupCallback,
): void {
  lookup(hostname, { ...options, verbatim: false }, callback as never);
}

/** Answers every name with the one address that was looked at before. */
function lookupOf(address: LookupAddress): typeof lookupIpv4First {
  return (_hostname, options, callback) => {
    if (options.all === true) callback(null, [address]);
    else callback(null, address.address, address.family);
  };
}
