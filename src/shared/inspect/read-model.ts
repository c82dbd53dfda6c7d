import { parseStreamId, type ClientId, type StreamId } from '../ids.js';
import type { Keys } from '../redis/keys.js';
import { clientView, type ClientView } from './client-view.js';
import type { InspectRedis } from './inspect-redis.js';
import { ringView } from './ring-view.js';
import {
  parseEnded,
  streamDetail,
  streamView,
  type StreamDetail,
  type StreamFacts,
  type StreamStatus,
  type StreamView,
} from './stream-view.js';

/**
 * Every running stream, then the ended ones that are remembered, newest first; `status` picks one
 * kind. Rejects with the error of Redis.
 */
export async function listStreams(
  redis: InspectRedis,
  keys: Keys,
  status?: StreamStatus,
): Promise<StreamView[]> {
  const names = await redis.smembers(keys.streams);
  const ids = names.map(parseStreamId).filter((id) => id !== null);
  const facts = await Promise.all(ids.map((id) => readFacts(redis, keys, id)));
  const present = facts.filter((fact) => fact !== null).map(streamView);
  const started = present.filter((view) => view.status === 'started').sort(byStart);
  if (status === 'started') return started;
  const past = (await redis.lrange(keys.history, 0, -1)).map(parseEnded);
  const ended = [
    ...present.filter((view) => view.status === 'ended'),
    ...past.filter((view) => view !== null),
  ];
  return status === 'ended' ? ended : [...started, ...ended];
}

/** `null` when the stream has no metadata: it does not run. */
export async function showStream(
  redis: InspectRedis,
  keys: Keys,
  id: StreamId,
): Promise<StreamDetail | null> {
  const stream = keys.stream(id);
  const [facts, marks, index, stopping, lastData] = await Promise.all([
    readFacts(redis, keys, id),
    redis.hgetall(stream.marks),
    redis.get(stream.index),
    redis.exists(stream.stopping),
    redis.get(stream.lastData),
  ]);
  if (facts === null) return null;
  return streamDetail(facts, { ring: ringView(marks, index), stopping: stopping === 1, lastData });
}

/** `null` when the stream does not run. A client whose lease ran out is no longer one. */
export async function listClients(
  redis: InspectRedis,
  keys: Keys,
  id: StreamId,
): Promise<ClientView[] | null> {
  const stream = keys.stream(id);
  const [members, running] = await Promise.all([
    redis.smembers(stream.clients),
    redis.exists(stream.metadata),
  ]);
  if (running === 0 && members.length === 0) return null;
  const views = await Promise.all(
    members.map(async (client) => {
      const record = await redis.hgetall(stream.client(client as ClientId));
      return Object.keys(record).length === 0 ? null : clientView(client, record);
    }),
  );
  return views
    .filter((view) => view !== null)
    .sort((a, b) => (a.connected_at ?? 0) - (b.connected_at ?? 0));
}

async function readFacts(
  redis: InspectRedis,
  keys: Keys,
  id: StreamId,
): Promise<StreamFacts | null> {
  const stream = keys.stream(id);
  const [metadata, owner, clients] = await Promise.all([
    redis.hgetall(stream.metadata),
    redis.get(stream.owner),
    redis.scard(stream.clients),
  ]);
  return Object.keys(metadata).length === 0 ? null : { stream: id, metadata, owner, clients };
}

function byStart(a: StreamView, b: StreamView): number {
  return (a.started_at ?? '').localeCompare(b.started_at ?? '') || a.key.localeCompare(b.key);
}
