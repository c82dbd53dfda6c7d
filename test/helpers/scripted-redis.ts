import type { Redis } from 'ioredis';
import type { ClientId, StreamId, WorkerId } from '../../src/shared/ids.js';
import { ClientStore } from '../../src/shared/redis/client-store.js';
import type { Keys } from '../../src/shared/redis/keys.js';
import { OwnerStore, type Ownership } from '../../src/shared/redis/owner-store.js';
import { RingStore } from '../../src/shared/redis/ring-store.js';

/** The three stores of one worker on a connection that they share, with short lives. */
export interface WorkerStores {
  readonly worker: WorkerId;
  readonly owners: OwnerStore;
  readonly clients: ClientStore;
  readonly ring: RingStore;
}

export interface Lives {
  readonly lockMs: number;
  readonly keepMs: number;
  readonly leaseMs: number;
  readonly chunkMs: number;
}

const LIVES: Lives = { lockMs: 60_000, keepMs: 60_000, leaseMs: 60_000, chunkMs: 60_000 };

export function makeStores(
  redis: Redis,
  keys: Keys,
  name: string,
  lives: Partial<Lives> = {},
): WorkerStores {
  const { lockMs, keepMs, leaseMs, chunkMs } = { ...LIVES, ...lives };
  const worker = `host:1:${name}` as WorkerId;
  return {
    worker,
    owners: new OwnerStore({ redis, keys, worker, times: { lockMs, keepMs } }),
    clients: new ClientStore({ redis, keys, worker, leaseMs }),
    ring: new RingStore({ data: redis, keys, worker, chunkLifeMs: chunkMs, keepMs }),
  };
}

/** @throws Error when somebody else holds the lock. */
export async function win(
  stores: WorkerStores,
  stream: StreamId,
  now = Date.now(),
): Promise<Ownership> {
  const answer = await stores.owners.acquire(stream, 'id', now);
  if (answer.outcome !== 'won') throw new Error(`${stores.worker}: ${answer.outcome}`);
  return answer.ownership;
}

export function append(
  stores: WorkerStores,
  own: Ownership,
  index: number,
  drop: readonly number[] = [],
  at = index,
): Promise<boolean> {
  return stores.ring.append(own.stream, {
    term: own.term,
    life: own.life,
    mark: { i: index, t: own.term, at, s: 188, j: [], tb: null, sp: 0 },
    bytes: Buffer.from(
      `${stores.worker} ${own.life} ${String(own.term)} ${String(index)}`.padEnd(188),
    ),
    tables: null,
    drop,
    now: index,
  });
}

export function join(
  stores: WorkerStores,
  stream: StreamId,
  client: ClientId,
  now = Date.now(),
): ReturnType<ClientStore['join']> {
  return stores.clients.join(stream, { client, connectedAt: now, ip: '', userAgent: '' }, now);
}

export function clientNamed(number: number): ClientId {
  return String(number).padStart(24, '0') as ClientId;
}
