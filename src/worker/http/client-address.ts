import { isIP } from 'node:net';
import type { Request } from 'express';

/**
 * Where the request came from, behind the trusted proxies; empty when they say nothing that is an
 * address. Whatever else stands in `X-Forwarded-For` belongs neither into a log nor into a record.
 */
export function clientAddress(request: Request): string {
  const { ip = '' } = request;
  return isIP(ip) === 0 ? '' : ip;
}
