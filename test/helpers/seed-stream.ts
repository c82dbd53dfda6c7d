import type { Redis } from 'ioredis';
import type { ClientId, StreamId, WorkerId } from '../../src/shared/ids.js';
import type { Keys } from '../../src/shared/redis/keys.js';

export const STREAM = 'a'.repeat(40) as StreamId;
export const OTHER_STREAM = 'b'.repeat(40) as StreamId;
export const WORKER = 'host:1:aaaa' as WorkerId;
export const DEAD_WORKER = 'host:2:dead' as WorkerId;
export const CLIENT = '0'.repeat(24) as ClientId;
export const OTHER_CLIENT = '1'.repeat(24) as ClientId;

/** Wall-clock ms of the tests' streams. */
export const STARTED_AT = Date.UTC(2026, 0, 2, 3, 4, 5);

/** Writes the keys of a running stream as its owner would; `owner: null` leaves it without a lock. */
export async function seedStream(
  redis: Redis,
  keys: Keys,
  stream: StreamId = STREAM,
  options: { owner?: WorkerId | null; metadata?: Record<string, string> } = {},
): Promise<void> {
  const { owner = WORKER } = options;
  const names = keys.stream(stream);
  await redis.sadd(keys.streams, stream);
  if (owner !== null) await redis.set(names.owner, owner, 'PX', 60_000);
  await redis.set(names.term, '3', 'PX', 60_000);
  await redis.hset(names.metadata, {
    content_id: stream,
    key_type: 'infohash',
    state: 'active',
    owner: owner ?? '',
    term: '3',
    engine_id: 'engine-1',
    engine_host: '127.0.0.1',
    engine_port: '6878',
    engine_forwarded: '1',
    playback_session_id: 'session-1',
    stat_url: 'http://127.0.0.1:6878/ace/stat/x/y',
    command_url: 'http://127.0.0.1:6878/ace/cmd/x/y',
    is_live: '1',
    is_encrypted: '0',
    init_time: String(STARTED_AT),
    bitrate: '4000000',
    peers: '7',
    ...options.metadata,
  });
  await redis.set(names.index, '12', 'PX', 60_000);
  await redis.hset(names.marks, {
    11: JSON.stringify({ i: 11, t: 3, at: STARTED_AT, s: 188, j: [0], tb: 'x', sp: 0 }),
    12: JSON.stringify({
      i: 12,
      t: 3,
      at: STARTED_AT + 2_500,
      s: 376,
      j: [0, 188],
      tb: 'x',
      sp: 1,
    }),
    'tables:x': 'R0c=',
  });
  await redis.set(names.chunk(11), Buffer.alloc(188), 'PX', 60_000);
  await redis.set(names.chunk(12), Buffer.alloc(376), 'PX', 60_000);
}

export async function seedClient(
  redis: Redis,
  keys: Keys,
  client: ClientId = CLIENT,
  options: { worker?: WorkerId; stream?: StreamId } = {},
): Promise<void> {
  const { worker = WORKER, stream = STREAM } = options;
  const names = keys.stream(stream);
  await redis.sadd(names.clients, client);
  await redis.hset(names.client(client), {
    connected_at: String(STARTED_AT + Number(client.slice(-1))),
    last_active: String(STARTED_AT + 5_000),
    bytes_sent: '1880',
    chunks_sent: '2',
    avg_rate_KBps: '12.5',
    current_rate_KBps: '13.5',
    ip_address: '192.0.2.1',
    user_agent: 'VLC/3.0',
    worker_id: worker,
    stats_updated_at: String(STARTED_AT + 5_000),
  });
  await redis.pexpire(names.client(client), 60_000);
}

export async function seedHeartbeat(redis: Redis, keys: Keys, worker: WorkerId): Promise<void> {
  await redis.set(keys.heartbeat(worker), '1', 'PX', 60_000);
}
