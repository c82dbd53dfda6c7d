/**
 * Every error a user can meet: stable code, HTTP status and what to do about it.
 * `retryAfter` is in seconds and is sent where waiting helps.
 */
export const ERRORS = {
  BAD_ID: { status: 400, message: 'The content id is missing, doubled or malformed.' },
  BAD_REQUEST: { status: 400, message: 'The request cannot be understood.' },
  UNAUTHORIZED: {
    status: 401,
    message: 'This route needs the header "Authorization: Bearer <key>".',
  },
  PLAYLIST_FETCH_OFF: {
    status: 403,
    message: 'This proxy fetches no playlists from elsewhere (PROXY_PLAYLIST_FETCH).',
  },
  PLAYLIST_ADDRESS_REFUSED: {
    status: 403,
    message: 'This playlist is not on the public internet (PROXY_PLAYLIST_FETCH).',
  },
  PLAYLIST_FETCH_FAILED: { status: 502, message: 'The playlist could not be fetched.' },
  TOKEN_NEEDED: {
    status: 401,
    message: 'Media needs a token or a signed address here.',
  },
  TOKEN_REFUSED: { status: 403, message: 'This token is not known here.' },
  TOKEN_EXPIRED: { status: 403, message: 'The time of this user is over.' },
  SIGNATURE_REFUSED: { status: 403, message: 'The signature does not fit this address.' },
  SIGNATURE_EXPIRED: { status: 403, message: 'The time of this signed address is over.' },
  NETWORK_REFUSED: { status: 403, message: 'This is not open to your network.' },
  USER_LIMIT: {
    status: 429,
    message: 'This user has as many connections as allowed: end one of them.',
    retryAfter: 5,
  },
  TOO_MANY_FAILURES: {
    status: 429,
    message: 'Too many wrong keys, tokens or signatures came from your address.',
    retryAfter: 5,
  },
  BAD_USERS: {
    status: 500,
    message: 'The list of users has faults: see the log of the proxy.',
  },
  FORBIDDEN: { status: 403, message: 'The key is not the right one.' },
  NOT_FOUND: { status: 404, message: 'There is no such route.' },
  STREAM_NOT_FOUND: { status: 404, message: 'No stream with this key is running.' },
  CLIENT_NOT_FOUND: { status: 404, message: 'No client with this id watches this stream.' },
  ENGINE_NOT_FOUND: { status: 404, message: 'No engine with this id is registered.' },
  CONTENT_NOT_FOUND: {
    status: 404,
    message: 'The engine cannot load this content: check the id, or try again later.',
  },
  NO_CHANNELS: { status: 404, message: 'This proxy has no list of channels (PROXY_CHANNELS).' },
  ALIAS_NOT_FOUND: { status: 404, message: 'No channel has this alias.' },
  METHOD_NOT_ALLOWED: { status: 405, message: 'This route does not take this method.' },
  STREAM_STOPPING: {
    status: 503,
    message: 'The stream is being stopped: try again in a moment.',
    retryAfter: 2,
  },
  ENGINE_ERROR: {
    status: 502,
    message: 'The engine answered with an error.',
    retryAfter: 5,
  },
  NO_ENGINE: {
    status: 503,
    message: 'No engine is free: all are full, draining or unhealthy, or none is registered.',
    retryAfter: 5,
  },
  CLIENT_LIMIT: {
    status: 503,
    message: 'The proxy serves as many clients as it may (PROXY_MAX_CLIENTS).',
    retryAfter: 10,
  },
  STREAM_LIMIT: {
    status: 503,
    message: 'The proxy carries as many streams as it may (PROXY_MAX_STREAMS).',
    retryAfter: 10,
  },
  LISTENER_LIMIT: {
    status: 503,
    message: 'This worker tells as many listeners of /events as it may.',
    retryAfter: 5,
  },
  REDIS_UNAVAILABLE: {
    status: 503,
    message: 'Redis does not answer: streams that run go on, new ones have to wait.',
    retryAfter: 2,
  },
  REDIS_FULL: {
    status: 503,
    message: 'Redis has no memory left for another stream.',
    retryAfter: 10,
  },
  NO_WORKER: {
    status: 503,
    message: 'No worker can take the connection: try again in a moment.',
    retryAfter: 2,
  },
  SHUTTING_DOWN: {
    status: 503,
    message: 'The proxy is shutting down.',
    retryAfter: 5,
  },
  START_TIMEOUT: {
    status: 504,
    message: 'No engine delivered a picture in time.',
    retryAfter: 5,
  },
  BAD_CHANNELS: {
    status: 500,
    message: 'The list of channels has faults: see the log of the proxy.',
  },
  INTERNAL: { status: 500, message: 'The proxy made a mistake: see its log.' },
} as const satisfies Record<string, ErrorDefinition>;

interface ErrorDefinition {
  readonly status: number;
  readonly message: string;
  readonly retryAfter?: number;
}

export type ErrorCode = keyof typeof ERRORS;

/** The body of an error answer: `{"error": …}`. */
export interface ErrorBody {
  readonly code: string;
  readonly message: string;
  readonly [detail: string]: unknown;
}

/** An error with an entry in the catalogue; anything else that is thrown is a defect. */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, details: Record<string, unknown> = {}, cause?: unknown) {
    super(ERRORS[code].message, cause === undefined ? undefined : { cause });
    this.name = 'AppError';
    this.code = code;
    this.details = details;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }

  /** Seconds, or `null` where waiting does not help. */
  get retryAfter(): number | null {
    const definition: ErrorDefinition = ERRORS[this.code];
    return definition.retryAfter ?? null;
  }

  toBody(): ErrorBody {
    return { ...this.details, code: this.code, message: this.message };
  }
}

/** Whatever was thrown, as an `AppError`; unknown things become `INTERNAL` and keep their cause. */
export function toAppError(thrown: unknown): AppError {
  return thrown instanceof AppError ? thrown : new AppError('INTERNAL', {}, thrown);
}
