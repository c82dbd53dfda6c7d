import type { RequestHandler } from 'express';
import { bearerOf } from '../access/credential.js';
import { clientAddress } from './client-address.js';
import type { HttpDeps } from './deps.js';

export interface Guards {
  /** Holds no data: only the network counts (`PROXY_MANAGEMENT_NETWORKS`), as with the other two. */
  readonly network: RequestHandler;
  /** Changes something or shows players' addresses: always needs the key (spec 6). */
  readonly always: RequestHandler;
  /** Listings: open until the operator has set a key. */
  readonly whenConfigured: RequestHandler;
}

export function makeGuards({
  access,
  apiKeyConfigured,
}: Pick<HttpDeps, 'access' | 'apiKeyConfigured'>): Guards {
  const network: RequestHandler = (request, _response, next) => {
    access.admitNetwork(clientAddress(request));
    next();
  };
  const always: RequestHandler = (request, _response, next) => {
    const address = clientAddress(request);
    access.admitNetwork(address);
    access.checkKey(address, bearerOf(request.headers.authorization));
    next();
  };
  return { network, always, whenConfigured: apiKeyConfigured ? always : network };
}
