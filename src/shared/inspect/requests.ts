import type { ClientId, StreamId } from '../ids.js';
import type { StreamEvent } from '../redis/events.js';
import type { Keys } from '../redis/keys.js';
import type { InspectRedis } from './inspect-redis.js';

/** ms; the owner looks at the request with each renewal of its lock, which lives for seconds. */
const STOP_REQUEST_TTL_MS = 30_000;
/** ms; the worker of a client looks at it with each heartbeat. */
const CLIENT_STOP_TTL_MS = 60_000;

/** Field of the metadata that names a life of a stream; a takeover keeps it. */
const LIFE = 'init_time';

export interface StopRequest {
  readonly found: boolean;
  /** Who has to obey; `null` when nobody holds the lock. */
  readonly owner: string | null;
}

/**
 * Asks the owner, wherever it is, to stop the stream although clients watch. The key is the request;
 * the event only makes it quick, because a subscriber may miss it.
 */
export async function requestStop(
  redis: InspectRedis,
  keys: Keys,
  id: StreamId,
  reason: string,
): Promise<StopRequest> {
  const stream = keys.stream(id);
  const [owner, life] = await Promise.all([
    redis.get(stream.owner),
    redis.hget(stream.metadata, LIFE),
  ]);
  if (owner === null && life === null) return { found: false, owner };
  await redis.set(stream.stopRequest, reason, 'PX', STOP_REQUEST_TTL_MS);
  if ((await redis.hget(stream.metadata, LIFE)) !== life) {
    // The stream ended by itself while it was asked to: the request must not hit its next life.
    await redis.del(stream.stopRequest);
    return { found: true, owner };
  }
  await publish(redis, stream.events, { type: 'stream_stop', reason });
  return { found: true, owner };
}

/** Asks the worker of a client to end its connection; false when the stream has no such client. */
export async function requestKick(
  redis: InspectRedis,
  keys: Keys,
  id: StreamId,
  kick: { readonly client: ClientId; readonly reason: string },
): Promise<boolean> {
  const stream = keys.stream(id);
  const { client, reason } = kick;
  if ((await redis.sismember(stream.clients, client)) === 0) return false;
  await redis.set(stream.clientStop(client), reason, 'PX', CLIENT_STOP_TTL_MS);
  if ((await redis.sismember(stream.clients, client)) === 0) {
    // It left by itself meanwhile: nothing of the stream may stay behind.
    await redis.del(stream.clientStop(client));
    return true;
  }
  await publish(redis, stream.events, { type: 'client_stop', client });
  return true;
}

async function publish(redis: InspectRedis, channel: string, event: StreamEvent): Promise<void> {
  await redis.publish(channel, JSON.stringify(event));
}
