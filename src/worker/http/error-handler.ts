import type { ErrorRequestHandler, RequestHandler } from 'express';
import { AppError, toAppError } from '../../shared/errors.js';
import type { Logger } from '../../shared/log/logger.js';

/** For paths that nobody serves. */
export const notFound: RequestHandler = () => {
  throw new AppError('NOT_FOUND');
};

/** For paths that are served, but not with this method; `OPTIONS` is told which. */
export function methodNotAllowed(allowed: readonly string[]): RequestHandler {
  const allow = allowed.join(', ');
  return (request, response) => {
    response.set('Allow', allow);
    if (request.method !== 'OPTIONS') throw new AppError('METHOD_NOT_ALLOWED', { allowed });
    response.status(204).end();
  };
}

/**
 * Every error becomes its entry of the catalogue. When the answer has begun there is nothing left to
 * say: the connection is destroyed, so that a player cannot take a cut answer for a whole one.
 */
export function makeErrorHandler(logger: Logger): ErrorRequestHandler {
  return (thrown: unknown, request, response, next) => {
    const error = fromExpress(thrown) ?? toAppError(thrown);
    if (error.code === 'INTERNAL') {
      logger.error('a request failed', {
        method: request.method,
        path: request.path,
        error: error.cause ?? error,
      });
    }
    if (response.headersSent) {
      response.destroy();
      // Ends in express's own last handler, which does nothing once headers are out.
      next();
      return;
    }
    if (error.retryAfter !== null) response.set('Retry-After', String(error.retryAfter));
    if (error.status === 401) response.set('WWW-Authenticate', 'Bearer');
    response.status(error.status).set('Cache-Control', 'no-store').json({ error: error.toBody() });
  };
}

/**
 * Errors that express and its body parser raise about the request itself carry a status of 4xx. Their
 * texts may repeat what was sent, so only the parser's word for the fault is told.
 */
function fromExpress(thrown: unknown): AppError | null {
  if (!(thrown instanceof Error) || thrown instanceof AppError) return null;
  const { status, type } = thrown as { status?: unknown; type?: unknown };
  if (typeof status !== 'number' || status < 400 || status > 499) return null;
  const reason = typeof type === 'string' ? type : 'malformed.url';
  return new AppError('BAD_REQUEST', { reasons: [reason] }, thrown);
}
