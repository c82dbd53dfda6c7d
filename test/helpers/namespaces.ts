import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Place } from './proxy.js';

const run = promisify(execFile);

/** A network namespace on a wire of its own to this machine. */
export interface HostNetwork extends Place {
  /** This machine's end of the wire. */
  readonly hub: string;
  /** Pulls the plug of the wire, and puts it back. */
  plug(up: boolean): Promise<void>;
}

export interface Networks {
  readonly hosts: readonly HostNetwork[];
  remove(): Promise<void>;
}

/** Private addresses that nobody else on a test machine is likely to use; a block of four per wire. */
const BASE = '10.213';
const BLOCK = 4;

/**
 * Makes `count` namespaces, each of which can reach this machine, also by the other wires' addresses.
 * Rejects where that is not permitted or iproute2 is missing.
 */
export async function makeNetworks(count: number): Promise<Networks> {
  const made: string[] = [];
  const remove = async (): Promise<void> => {
    // The wires go with their namespaces.
    for (const name of made) await run('ip', ['netns', 'del', name]).catch(() => undefined);
  };
  try {
    const hosts: HostNetwork[] = [];
    for (let i = 0; i < count; i++) {
      const namespace = `proxy-${String(process.pid)}-${String(i)}`;
      await run('ip', ['netns', 'add', namespace]);
      made.push(namespace);
      hosts.push(await wire(namespace, (process.pid * count + i) % (65_536 / BLOCK)));
    }
    return { hosts, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function wire(namespace: string, block: number): Promise<HostNetwork> {
  const first = block * BLOCK;
  const at = (offset: number): string =>
    `${BASE}.${String(first >> 8)}.${String((first & 255) + offset)}`;
  const [hub, address] = [at(1), at(2)];
  // Names of devices have at most 15 characters.
  const device = `pxy${String(block)}`;
  const inside = (...args: string[]) => run('ip', ['-n', namespace, ...args]);
  await run('ip', ['link', 'add', device, 'type', 'veth', 'peer', 'eth0', 'netns', namespace]);
  await run('ip', ['addr', 'add', `${hub}/30`, 'dev', device]);
  await run('ip', ['link', 'set', device, 'up']);
  await inside('addr', 'add', `${address}/30`, 'dev', 'eth0');
  const plug = async (up: boolean): Promise<void> => {
    await inside('link', 'set', 'eth0', up ? 'up' : 'down');
    // The route goes with the plug.
    if (up) await inside('route', 'add', 'default', 'via', hub);
  };
  await inside('link', 'set', 'lo', 'up');
  await plug(true);
  return { namespace, address, hub, plug };
}
