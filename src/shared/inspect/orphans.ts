import { parseStreamId, type ClientId, type StreamId, type WorkerId } from '../ids.js';
import type { StreamEvent } from '../redis/events.js';
import type { Keys } from '../redis/keys.js';
import type { OpsRedis } from './inspect-redis.js';

/** A client that nobody serves: its lease ran out, or its worker has no heartbeat. */
export interface OrphanClient {
  readonly stream: StreamId;
  readonly client: ClientId;
  /** `null` when the record is gone, and with it the name of the worker. */
  readonly worker: string | null;
}

/** A stream that nobody feeds and that nobody who lives watches, and so nobody will take over. */
export interface OrphanStream {
  readonly stream: StreamId;
  readonly keys: readonly string[];
}

export interface Orphans {
  readonly streams: readonly OrphanStream[];
  readonly clients: readonly OrphanClient[];
}

export interface Cleaned {
  readonly streams: number;
  readonly keys: number;
  readonly clients: number;
}

/** Looks at every key of every stream, so it is for operators and not for the data path. */
export async function findOrphans(redis: OpsRedis, keys: Keys): Promise<Orphans> {
  const found = await keysByStream(redis, keys);
  const alive = heartbeats(redis, keys);
  const streams: OrphanStream[] = [];
  const clients: OrphanClient[] = [];
  for (const [stream, names] of found) {
    const census = await takeCensus(redis, keys, stream, alive);
    clients.push(...census.orphans);
    if (census.live === 0 && (await redis.exists(keys.stream(stream).owner)) === 0) {
      streams.push({ stream, keys: names });
    }
  }
  return { streams, clients };
}

/**
 * Removes what `findOrphans` found. Every removal checks again in the same step, so that a stream or
 * a client that came back in between stays.
 */
export async function cleanOrphans(
  redis: OpsRedis,
  keys: Keys,
  orphans: Orphans,
  now: number,
): Promise<Cleaned> {
  let clients = 0;
  for (const orphan of orphans.clients) {
    if (await dropOrphan(redis, keys, orphan, now)) clients += 1;
  }
  let streams = 0;
  let removed = 0;
  for (const { stream, keys: names } of orphans.streams) {
    const gone = await purge(redis, keys, stream, names);
    if (gone === null) continue;
    streams += 1;
    removed += gone;
    const event: StreamEvent = { type: 'stream_stopped', reason: 'orphan' };
    await redis.publish(keys.stream(stream).events, JSON.stringify(event));
  }
  return { streams, keys: removed, clients };
}

/**
 * Removes one stream that has no owner, with the clients of dead workers, and says how many keys there
 * were. `null` when somebody owns or watches it: they obey the stop request.
 */
export async function removeUnowned(
  redis: OpsRedis,
  keys: Keys,
  stream: StreamId,
  now: number,
): Promise<number | null> {
  const census = await takeCensus(redis, keys, stream, heartbeats(redis, keys));
  if (census.live > 0) return null;
  for (const orphan of census.orphans) await dropOrphan(redis, keys, orphan, now);
  const names = await redis.scanAll(keys.streamPattern);
  const own = names.filter((name) => keys.streamOf(name) === stream);
  return purge(redis, keys, stream, own);
}

async function purge(
  redis: OpsRedis,
  keys: Keys,
  stream: StreamId,
  names: readonly string[],
): Promise<number | null> {
  const { owner, clients, lastClientDisconnect, stopRequest } = keys.stream(stream);
  // Cleaning and asking for the stop write two more keys after the others were found.
  const all = [...new Set([...names, lastClientDisconnect, stopRequest])];
  const removed = await redis.purgeStream(owner, clients, all);
  if (removed === null) return null;
  // The set is in another slot of a cluster, hence no part of the script. Whoever starts the stream
  // adds it here and takes the lock: a look at the lock afterwards mends the race. One that takes it later
  // lists the stream once more with its engine session.
  await redis.srem(keys.streams, stream);
  if ((await redis.exists(owner)) === 1) await redis.sadd(keys.streams, stream);
  return removed;
}

function dropOrphan(
  redis: OpsRedis,
  keys: Keys,
  { stream, client, worker }: OrphanClient,
  now: number,
): Promise<boolean> {
  const names = keys.stream(stream);
  return redis.dropClient({
    clients: names.clients,
    record: names.client(client),
    stop: names.clientStop(client),
    lastDisconnect: names.lastClientDisconnect,
    metadata: names.metadata,
    client,
    worker: worker ?? '',
    now,
  });
}

async function takeCensus(
  redis: OpsRedis,
  keys: Keys,
  stream: StreamId,
  alive: (worker: string) => Promise<boolean>,
): Promise<{ live: number; orphans: OrphanClient[] }> {
  const names = keys.stream(stream);
  const orphans: OrphanClient[] = [];
  let live = 0;
  for (const member of await redis.smembers(names.clients)) {
    const client = member as ClientId;
    const worker = await redis.hget(names.client(client), 'worker_id');
    if (worker !== null && (await alive(worker))) live += 1;
    else orphans.push({ stream, client, worker });
  }
  return { live, orphans };
}

/** Asks once per worker, however many clients it has. */
function heartbeats(redis: OpsRedis, keys: Keys): (worker: string) => Promise<boolean> {
  const known = new Map<string, Promise<boolean>>();
  return (worker) => {
    const answer =
      known.get(worker) ??
      redis.exists(keys.heartbeat(worker as WorkerId)).then((existing) => existing === 1);
    known.set(worker, answer);
    return answer;
  };
}

async function keysByStream(redis: OpsRedis, keys: Keys): Promise<Map<StreamId, string[]>> {
  const found = new Map<StreamId, string[]>();
  for (const member of await redis.smembers(keys.streams)) {
    const stream = parseStreamId(member);
    if (stream !== null) found.set(stream, []);
  }
  for (const name of await redis.scanAll(keys.streamPattern)) {
    const stream = keys.streamOf(name);
    if (stream === null) continue;
    const names = found.get(stream) ?? [];
    names.push(name);
    found.set(stream, names);
  }
  return found;
}
