import type { RequestHandler } from 'express';
import { sameKey } from '../../shared/constant-time.js';
import { AppError } from '../../shared/errors.js';
import type { HttpDeps } from './deps.js';

const BEARER = /^Bearer +(\S+) *$/i;

export interface Guards {
  /** Changes something or shows players' addresses: always needs the key (spec 6). */
  readonly always: RequestHandler;
  /** Listings: open until the operator has set a key. */
  readonly whenConfigured: RequestHandler;
}

export function makeGuards({
  apiKey,
  apiKeyConfigured,
}: Pick<HttpDeps, 'apiKey' | 'apiKeyConfigured'>): Guards {
  const always: RequestHandler = (request, _response, next) => {
    const key = BEARER.exec(request.headers.authorization ?? '')?.[1];
    if (key === undefined) throw new AppError('UNAUTHORIZED');
    if (!sameKey(key, apiKey)) throw new AppError('FORBIDDEN');
    next();
  };
  const open: RequestHandler = (_request, _response, next) => {
    next();
  };
  return { always, whenConfigured: apiKeyConfigured ? always : open };
}
