/**
 * The few commands the read model needs, in the shapes ioredis has: routes pass the worker's control
 * connection, scripts their own, tests whatever they like.
 */
export interface InspectRedis {
  get(key: string): Promise<string | null>;
  exists(...keys: string[]): Promise<number>;
  hget(key: string, field: string): Promise<string | null>;
  hgetall(key: string): Promise<Record<string, string>>;
  lrange(key: string, start: number, stop: number): Promise<string[]>;
  scard(key: string): Promise<number>;
  sismember(key: string, member: string): Promise<number>;
  smembers(key: string): Promise<string[]>;
  publish(channel: string, message: string): Promise<number>;
  set(key: string, value: string, unit: 'PX', ms: number): Promise<unknown>;
  del(key: string): Promise<number>;
}

/** What cleaning needs on top: it changes what others own, so each change is one atomic step. */
export interface OpsRedis extends InspectRedis {
  sadd(key: string, member: string): Promise<number>;
  srem(key: string, member: string): Promise<number>;
  /** The names of all keys that match, of every server that holds some. */
  scanAll(pattern: string): Promise<string[]>;
  /** Removes the keys and says how many there were; `null` when somebody owns or watches the stream. */
  purgeStream(owner: string, clients: string, keys: readonly string[]): Promise<number | null>;
  /** Takes a client out unless another worker than `worker` holds it now; true when it is out. */
  dropClient(drop: ClientDrop): Promise<boolean>;
}

export interface ClientDrop {
  readonly clients: string;
  readonly record: string;
  readonly stop: string;
  readonly lastDisconnect: string;
  readonly metadata: string;
  readonly client: string;
  /** The worker that was found dead; empty when the record itself was missing. */
  readonly worker: string;
  /** Wall-clock ms. */
  readonly now: number;
}
