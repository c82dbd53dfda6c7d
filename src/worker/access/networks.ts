import { BlockList, isIP, isIPv6 } from 'node:net';

/** An IPv4 address inside IPv6 (RFC 4291, 2.5.5.2), in the form that `canonical` gives. */
const MAPPED = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/;
const MAPPED_PREFIX = 96;
const WHOLE = { 4: 32, 6: 128 } as const;
/** A host of IPv6 has at least a /64 to choose its address from (RFC 6177). */
const HOST_GROUPS = 4;
const GROUPS = 8;
/** Longer texts are no addresses. */
const MAX_CHARACTERS = 64;

/** Addresses and networks that are allowed. */
export class Networks {
  readonly #entries: readonly string[];
  /** Made when it is asked for: 10,000 of them, one for each user, would hold the event loop up. */
  #made: BlockList | null = null;

  /** Entries as the settings have checked them: an address, or `address/prefix`. */
  constructor(entries: readonly string[]) {
    this.#entries = entries;
  }

  /** False for what is no IP address. An IPv4 address inside IPv6 counts as the IPv4 address. */
  has(address: string): boolean {
    const plain = plainAddress(address);
    const family = isIP(plain);
    if (family === 0) return false;
    this.#made ??= blockList(this.#entries);
    return this.#made.check(plain, family === 4 ? 'ipv4' : 'ipv6');
  }
}

function blockList(entries: readonly string[]): BlockList {
  const list = new BlockList();
  for (const entry of entries) {
    const [address = '', prefix] = entry.split('/');
    const plain = plainAddress(address);
    const family = isIPv6(plain) ? 6 : 4;
    const mapped = family === 4 && isIPv6(address);
    const bits =
      prefix === undefined ? WHOLE[family] : Number(prefix) - (mapped ? MAPPED_PREFIX : 0);
    // A mapped network that reaches beyond the mapped addresses is all of IPv4 for them.
    list.addSubnet(plain, Math.max(0, bits), family === 4 ? 'ipv4' : 'ipv6');
  }
  return list;
}

/** The address without a zone, IPv4 as IPv4; what is no address stays as it is. */
export function plainAddress(address: string): string {
  const bare = address.split('%', 1)[0] ?? '';
  if (!isIPv6(bare)) return address;
  const whole = canonical(bare);
  const [, high, low] = MAPPED.exec(whole) ?? [];
  if (high === undefined || low === undefined) return whole;
  const words = [parseInt(high, 16), parseInt(low, 16)];
  return words.flatMap((word) => [word >> 8, word & 255]).join('.');
}

/** What failures are counted by: the IPv4 address, or the /64 of an IPv6 address. */
export function hostOf(address: string): string {
  const plain = plainAddress(address);
  if (!isIPv6(plain)) return plain.slice(0, MAX_CHARACTERS);
  const [head = '', tail] = plain.split('::');
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const after = tail === '' ? [] : tail.split(':');
    groups.push(...Array<string>(GROUPS - groups.length - after.length).fill('0'), ...after);
  }
  return `${groups.slice(0, HOST_GROUPS).join(':')}::/64`;
}

/** Lower case, shortest form, no dots: as the WHATWG URL writes an IPv6 host. */
function canonical(address: string): string {
  return new URL(`http://[${address}]/`).hostname.slice(1, -1);
}
