import type { IncomingMessage } from 'node:http';
import type { Request, RequestHandler } from 'express';
import { signedQuery, signedTarget, streamTarget } from '../../shared/signed-url.js';
import { readCredential, splitPathToken } from '../access/credential.js';
import type { Carried, MediaAsk } from '../access/decide.js';
import type { QueryEnd } from '../playlist/rewrite.js';
import { clientAddress } from './client-address.js';

const pathTokens = new WeakMap<IncomingMessage, string>();

/**
 * Takes the token out of `/t/<token>/…`, so that the routes see the path that is behind it. What is
 * told to the primary for a replay is the request as it came.
 */
export const takePathToken: RequestHandler = (request, _response, next) => {
  const { token, url } = splitPathToken(request.url);
  if (token !== null) {
    pathTokens.set(request, token);
    request.url = url;
  }
  next();
};

/** What a request for media shows, and what for. */
export function mediaAsk(request: Request): MediaAsk {
  const mark = request.url.indexOf('?');
  const path = mark < 0 ? request.url : request.url.slice(0, mark);
  const query = new URLSearchParams(mark < 0 ? '' : request.url.slice(mark + 1));
  const { authorization } = request.headers;
  return {
    address: clientAddress(request),
    credential: readCredential(pathTokens.get(request) ?? null, query, authorization),
    target: signedTarget(path, query),
  };
}

/** How the addresses of a playlist let those in who are given it. */
export function carry(base: string, carried: Carried): { base: string; more?: QueryEnd } {
  switch (carried.kind) {
    case 'nothing':
      return { base };
    case 'token':
      // In the path: some players lose the query.
      return { base: `${base}/t/${carried.token}` };
    case 'signature': {
      const { secret, expires, user } = carried;
      return {
        base,
        more: (content) => signedQuery(secret, { ...streamTarget(content), expires, user }),
      };
    }
  }
}
