import { isIP, isIPv6 } from 'node:net';

import { authority } from './address.js';
import { FormatError, integer, isUrlHost } from './formats.js';
import type { Format } from './formats.js';
import type { EngineAddress, RedisAddress } from './settings.js';

const HOST_AND_PORT = /^(?:\[(?<v6>[^\]]*)\]|(?<plain>[^:[\]]*)):(?<port>[^:]*)$/;
const ENGINE_NAME = /^[\w.:[\]-]{1,128}$/;
const PREFIX_LENGTH = /^[1-9]\d{0,2}$/;
const MAX_SECRETS = 8;
const PORT = integer(1, 65_535);
const CAPACITY = integer(1, 10_000);

/** `host:port[;forwarded][;id=NAME][;max=N]`, comma-separated. */
export function engineList(): Format<readonly EngineAddress[]> {
  return {
    allowed:
      'a comma-separated list of host:port[;forwarded][;id=NAME][;max=N], IPv6 hosts in brackets',
    list: true,
    parse: (text) => entries(text).map(engine),
  };
}

/** `host:port`, comma-separated. */
export function addressList(): Format<readonly RedisAddress[]> {
  return {
    allowed: 'a comma-separated list of host:port, IPv6 hosts in brackets',
    list: true,
    parse: (text) => {
      const addresses = entries(text).map(hostAndPort);
      const names = addresses.map(({ host, port }) => authority(host, port));
      const doubled = names.find((name, at) => names.indexOf(name) !== at);
      if (doubled !== undefined) throw new FormatError(`"${doubled}" stands twice`);
      return addresses;
    },
  };
}

/** IP addresses and networks, comma-separated; a network is `address/prefix` with a prefix above 0. */
export function networkList(): Format<readonly string[]> {
  return {
    allowed: 'a comma-separated list of IP addresses and networks such as 10.0.0.0/8 or fd00::/8',
    list: true,
    parse: (text) => entries(text).map(network),
  };
}

/**
 * One secret, or several while they are changed: the first one is the new one. `grammar` has neither
 * commas nor blanks in it.
 */
export function secretList(grammar: RegExp, allowed: string): Format<readonly string[]> {
  return {
    allowed: `${allowed}; up to ${String(MAX_SECRETS)} of them, comma-separated`,
    list: true,
    parse: (text) => {
      const secrets = entries(text);
      // What is wrong is not said: the text would be part of it.
      const valid = secrets.every((secret) => grammar.test(secret));
      if (!valid || secrets.length > MAX_SECRETS) throw new FormatError();
      return secrets;
    },
  };
}

/** Blanks round a comma are habit, not a mistake; an entry without content is one. */
function entries(text: string): string[] {
  return text.split(',').map((part, at) => {
    const entry = part.trim();
    if (entry === '') throw new FormatError(`entry ${String(at + 1)} is empty`);
    return entry;
  });
}

function engine(entry: string): EngineAddress {
  const [address = '', ...options] = entry.split(';').map((part) => part.trim());
  const { host, port } = hostAndPort(address);
  const seen = new Set<string>();
  let id = authority(host, port);
  let forwarded = false;
  let max: number | null = null;
  for (const option of options) {
    const [name, value] = cut(option, '=');
    if (seen.has(name)) throw new FormatError(`"${name}" stands twice in "${entry}"`);
    seen.add(name);
    if (name === 'forwarded' && value === undefined) forwarded = true;
    else if (name === 'id' && value !== undefined && ENGINE_NAME.test(value)) id = value;
    else if (name === 'max' && value !== undefined) max = part(CAPACITY, value, entry, 'max');
    else throw new FormatError(`"${option}" in "${entry}" is not understood`);
  }
  return { id, host, port, forwarded, max };
}

function hostAndPort(address: string): { host: string; port: number } {
  const groups = HOST_AND_PORT.exec(address)?.groups;
  if (groups === undefined) throw new FormatError(`"${address}" is not host:port`);
  const host = groups.v6 ?? groups.plain ?? '';
  const valid = isUrlHost(host) && (groups.v6 === undefined || isIPv6(host));
  if (!valid) throw new FormatError(`"${host}" in "${address}" is no host`);
  return { host: host.toLowerCase(), port: part(PORT, groups.port ?? '', address, 'the port') };
}

function part(format: Format<number>, text: string, entry: string, what: string): number {
  try {
    return format.parse(text);
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new FormatError(`${what} in "${entry}" must be ${format.allowed}`);
  }
}

function network(entry: string): string {
  const [address, prefix] = cut(entry, '/');
  const family = isIP(address);
  if (family === 0) throw new FormatError(`"${entry}" is no IP address`);
  if (prefix === undefined) return entry;
  // A prefix of 0 would believe the whole world, and express refuses it.
  const longest = family === 4 ? 32 : 128;
  if (!PREFIX_LENGTH.test(prefix) || Number(prefix) > longest) {
    throw new FormatError(`the prefix of "${entry}" must be from 1 to ${String(longest)}`);
  }
  return entry;
}

function cut(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}
