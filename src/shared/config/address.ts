import { isIPv6 } from 'node:net';

/** `host:port` as a URL wants it: an IPv6 address gets its brackets. */
export function authority(host: string, port: number): string {
  return isIPv6(host) ? `[${host}]:${String(port)}` : `${host}:${String(port)}`;
}
