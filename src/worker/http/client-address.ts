import { isIP } from 'node:net';
import type { Request } from 'express';
import { Networks } from '../access/networks.js';

/** Some load balancers write `address:port` into `X-Forwarded-For`, IPv6 in brackets then. */
const WITH_PORT = /^(?:(?<plain>[\d.]+):\d{1,5}|\[(?<v6>[^\]]+)\](?::\d{1,5})?)$/;

/**
 * Where the request came from, behind the trusted proxies; empty when they say nothing that is an
 * address. Whatever else stands in `X-Forwarded-For` belongs neither into a log nor into a record.
 */
export function clientAddress(request: Request): string {
  const address = withoutPort(request.ip ?? '');
  return isIP(address) === 0 ? '' : address;
}

/**
 * For express's `trust proxy`. Its own reading of networks is not used: it refuses some spellings that the
 * configuration takes.
 */
export function trustOf(proxies: readonly string[]): false | ((address: string) => boolean) {
  if (proxies.length === 0) return false;
  const trusted = new Networks(proxies);
  return (address) => trusted.has(withoutPort(address));
}

function withoutPort(address: string): string {
  const { plain, v6 } = WITH_PORT.exec(address)?.groups ?? {};
  return plain ?? v6 ?? address;
}
