import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { ConnectionOptions } from 'node:tls';
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import type { RedisSettings, RedisTlsSettings } from '../config/settings.js';
import { withDeadline } from '../deadline.js';

/** One Redis, the master that Sentinels name, or a Cluster: the stores do not tell them apart. */
export type RedisClient = Redis | Cluster;

/** Without what would change the shapes of answers. */
type Options = Omit<RedisOptions, 'replyMapping' | 'protocol'>;

/** How a connection behaves, whatever it leads to. */
export interface ClientBehaviour {
  /** False: a command fails at once while Redis is away. */
  readonly enableOfflineQueue: boolean;
  readonly maxRetriesPerRequest: number | null;
  readonly autoResendUnfulfilledCommands?: boolean;
  readonly commandTimeout?: number;
  readonly connectTimeout: number;
  readonly disconnectTimeout?: number;
  readonly lazyConnect?: boolean;
  /** ms before the next try, `null` for none. */
  readonly retryStrategy: (attempt: number) => number | null;
}

/**
 * ms between looks at who serves which slot. A node that is gone is found by the next command; one
 * that is frozen only by this.
 */
const SLOTS_REFRESH_MS = 2_000;
const SLOTS_TIMEOUT_MS = 1_000;
const READY_POLL_MS = 5;
const MAX_LOADING_RETRY_MS = 250;
const SENTINEL_TIMEOUT_MS = 1_000;
/** ms; above every command's own deadline. */
const SILENCE_MS = 3_000;

/** Makes a client for what the settings name. Throws when a file of TLS cannot be read any more. */
export function makeClient(settings: RedisSettings, behaviour: ClientBehaviour): RedisClient {
  if (settings.cluster.length > 0) return makeCluster(settings, behaviour);
  const options: Options = {
    ...behaviour,
    ...access(settings),
    // A server that loads its data says for how long; players wait 2 s at most (spec 3.7).
    maxLoadingRetryTime: MAX_LOADING_RETRY_MS,
    // The master became a replica: the connection is made anew, and then leads to the new one.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
  };
  if (settings.sentinel !== null) {
    const { retryStrategy: sentinelRetryStrategy } = behaviour;
    return new Redis({ ...options, ...sentinelOptions(settings), sentinelRetryStrategy });
  }
  const { url, host, port, db } = settings;
  if (url === null) return new Redis({ ...options, host, port, db });
  const socket = /^unix:\/\/(.+)$/i.exec(url)?.[1];
  return socket === undefined
    ? new Redis(url, options)
    : new Redis({ ...options, path: socket, db });
}

/**
 * Resolves when every server can be used; rejects after `ms`. A Cluster is ready when it knows who its
 * nodes are, and then replaces the connections it began with: so this looks again and again.
 */
export async function whenReady(redis: RedisClient, ms: number): Promise<void> {
  const until = performance.now() + ms;
  const ready = ({ status }: { status: string }): boolean => status === 'ready';
  while (!ready(redis) || !masters(redis).every(ready)) {
    if (performance.now() > until) throw new Error(`Redis did not finish within ${String(ms)} ms`);
    await delay(READY_POLL_MS);
  }
}

/** Connects a client that was made lazily. Rejects where there is nothing to wait for. */
export async function connect(redis: RedisClient, ms: number): Promise<void> {
  await withDeadline(redis.connect(), ms, 'the connection to Redis');
  await whenReady(redis, ms);
}

/** The servers to ask where each of them has to be asked: one, or every master. */
export function masters(redis: RedisClient): readonly Redis[] {
  return redis instanceof Cluster ? redis.nodes('master') : [redis];
}

/**
 * Reports what goes wrong with connections: ioredis tells a Cluster's nodes apart from the whole.
 * A client without a listener would write to the console.
 */
export function onConnectionError(redis: RedisClient, listener: (error: Error) => void): void {
  redis.on('error', listener);
  redis.on(redis instanceof Cluster ? 'node error' : 'sentinelError', listener);
}

/** A connection, in a Cluster one of its nodes, can be used from now on. */
export function onConnectionReady(redis: RedisClient, listener: () => void): void {
  redis.on('ready', listener);
  if (redis instanceof Cluster) redis.on('+node', (node: Redis) => node.once('ready', listener));
}

/** Messages may have been lost: the connection is new, or leads to another node of a Cluster. */
export function onConnectionChange(redis: RedisClient, listener: () => void): void {
  redis.on('ready', listener);
  if (redis instanceof Cluster) redis.on('+node', listener).on('-node', listener);
}

function sentinelOptions({ sentinel, db, tls }: RedisSettings): Options {
  if (sentinel === null) return {};
  return {
    sentinels: sentinel.addresses.map(({ host, port }) => ({ host, port })),
    name: sentinel.name,
    db,
    sentinelCommandTimeout: SENTINEL_TIMEOUT_MS,
    // A frozen or cut off master keeps its connections open: silence leads back to the Sentinels. Not
    // ioredis' `failoverDetector`: what it ends while it connects stays ended for ever (6.0.0).
    socketTimeout: SILENCE_MS,
    ...(sentinel.username !== null && { sentinelUsername: sentinel.username }),
    ...(sentinel.password !== null && { sentinelPassword: sentinel.password }),
    ...(tls.enabled && { enableTLSForSentinelMode: true, sentinelTLS: tlsOptions(tls) }),
  };
}

function makeCluster(settings: RedisSettings, behaviour: ClientBehaviour): Cluster {
  const { enableOfflineQueue, lazyConnect = false, retryStrategy, ...perNode } = behaviour;
  const cluster = new Cluster(
    settings.cluster.map(({ host, port }) => ({ host, port })),
    {
      redisOptions: { ...perNode, ...access(settings) },
      enableOfflineQueue,
      lazyConnect,
      clusterRetryStrategy: retryStrategy,
      // Commands fail at once instead of running later, at the wrong time; MOVED is followed.
      retryDelayOnFailover: 0,
      retryDelayOnClusterDown: 0,
      slotsRefreshInterval: SLOTS_REFRESH_MS,
      slotsRefreshTimeout: SLOTS_TIMEOUT_MS,
      // Certificates name hosts: ioredis would put an address in the name's place.
      ...(settings.tls.enabled && { dnsLookup: (host, done) => done(null, host) }),
    },
  );
  // Otherwise the first command connects, and those that come meanwhile fail. Not before the Cluster is
  // ready: its own first question would be one of them.
  const connectNode = (node: Redis): void => {
    if (cluster.status === 'ready' && node.status === 'wait') {
      node.connect().catch(toldAsNodeError);
    }
  };
  cluster.on('ready', () => cluster.nodes().forEach(connectNode));
  cluster.on('+node', connectNode);
  return cluster;
}

function toldAsNodeError(): void {
  return;
}

/** Credentials and TLS; what a URL says itself goes before. */
function access({
  username,
  password,
  tls,
}: RedisSettings): Pick<Options, 'username' | 'password' | 'tls'> {
  return {
    ...(username !== null && { username }),
    ...(password !== null && { password }),
    ...(tls.enabled && { tls: tlsOptions(tls) }),
  };
}

function tlsOptions({ ca, cert, key }: RedisTlsSettings): ConnectionOptions {
  return {
    ...(ca !== null && { ca: readFileSync(ca) }),
    ...(cert !== null && { cert: readFileSync(cert) }),
    ...(key !== null && { key: readFileSync(key) }),
  };
}
