import type { ClientId, StreamId, WorkerId } from '../ids.js';
import { Batch } from './batch.js';
import type { RedisClient } from './client.js';
import type { Keys } from './keys.js';
import { defineScript, type Script } from './scripts.js';

/** The fields of a client's record that never change while it stays on one worker. */
export interface ClientRecord {
  readonly client: ClientId;
  readonly connectedAt: number;
  readonly ip: string;
  readonly userAgent: string;
  /** Whose token opened it, where there are users. */
  readonly user?: string | null;
}

/** What a heartbeat writes of a client. Rates are kilobytes (1,000 bytes) per second. */
export interface ClientPulse extends ClientRecord {
  readonly stream: StreamId;
  readonly lastActive: number;
  readonly bytesSent: number;
  readonly chunksSent: number;
  readonly averageRate: number;
  readonly currentRate: number;
  /** Times it fell out of the ring on this worker. */
  readonly skips?: number;
  /** ms of media between what it was sent and the head; `null` while its place is looked for. */
  readonly behindMs?: number | null;
}

export type JoinAnswer =
  | { readonly joined: true; readonly owner: string; readonly term: number }
  /** The stream is being stopped: wait for its next life. */
  | { readonly joined: false };

/** ms that a dead worker stays listed: far more than the clocks of two hosts differ. */
const WORKER_LISTED_MS = 3_600_000;

/** Leases of clients (spec 2.4): joined, renewed in in batches, left at once. */
export class ClientStore {
  readonly #redis: RedisClient;
  readonly #keys: Keys;
  readonly #worker: WorkerId;
  readonly #leaseMs: number;
  readonly #scripts: { join: Script; leave: Script; reap: Script; admit: Script; place: Script };

  constructor(options: { redis: RedisClient; keys: Keys; worker: WorkerId; leaseMs: number }) {
    this.#redis = options.redis;
    this.#keys = options.keys;
    this.#worker = options.worker;
    this.#leaseMs = options.leaseMs;
    this.#scripts = {
      join: defineScript(this.#redis, 'joinStream-6'),
      leave: defineScript(this.#redis, 'leaveStream-5'),
      reap: defineScript(this.#redis, 'reapClients-3'),
      admit: defineScript(this.#redis, 'admit-1'),
      place: defineScript(this.#redis, 'takePlace-1'),
    };
  }

  async join(stream: StreamId, record: ClientRecord, now: number): Promise<JoinAnswer> {
    const keys = this.#keys.stream(stream);
    const fields = [...this.#fixedFields(record), 'last_active', now, 'stats_updated_at', now];
    const [code, owner, term] = (await this.#scripts.join(
      [
        keys.clients,
        keys.client(record.client),
        keys.stopping,
        keys.owner,
        keys.term,
        keys.lastClientDisconnect,
      ],
      [record.client, this.#leaseMs, ...fields],
    )) as [number, string, number];
    return code === 1 ? { joined: true, owner, term } : { joined: false };
  }

  /** Resolves to the number of clients left; `null` when another worker has taken the client over. */
  async leave(stream: StreamId, client: ClientId, now: number): Promise<number | null> {
    const keys = this.#keys.stream(stream);
    const left = (await this.#scripts.leave(
      [
        keys.clients,
        keys.client(client),
        keys.clientStop(client),
        keys.lastClientDisconnect,
        keys.metadata,
      ],
      [client, this.#worker, now, this.#leaseMs],
    )) as number;
    if (left < 0) return null;
    const event = JSON.stringify({ type: 'client_disconnected', client, clients: left });
    await new Batch(this.#redis)
      .add(this.#keys.admittedClients, (pipeline) =>
        pipeline.zrem(this.#keys.admittedClients, client).publish(keys.events, event),
      )
      .run();
    return left;
  }

  /** True when one more client may be served under `limit`; asking again prolongs the lease. */
  async admit(client: ClientId, limit: number, now: number): Promise<boolean> {
    const args = [client, limit, now, this.#leaseMs];
    return (await this.#scripts.admit([this.#keys.admittedClients], args)) === 1;
  }

  /** True when the user may have this connection besides the others; asking again prolongs it. */
  async takePlace(
    user: string,
    client: ClientId,
    { limit, lifeMs }: { readonly limit: number; readonly lifeMs: number },
  ): Promise<boolean> {
    const args = [client, limit, lifeMs];
    return (await this.#scripts.place([this.#keys.userPlaces(user)], args)) === 1;
  }

  /** Somebody else may have the place of this connection. */
  async givePlace(user: string, client: ClientId): Promise<void> {
    await this.#redis.zrem(this.#keys.userPlaces(user), client);
  }

  /** Says that this worker lives, and how it is. */
  async beat(options: {
    readonly now: number;
    readonly ttlMs: number;
    readonly clients: number;
    readonly vitals?: Readonly<Record<string, number>>;
  }): Promise<void> {
    const { now, ttlMs, clients, vitals } = options;
    const { workers } = this.#keys;
    const heartbeat = this.#keys.heartbeat(this.#worker);
    const beat = JSON.stringify({ ...vitals, at: now, clients });
    await new Batch(this.#redis)
      .add(heartbeat, (pipeline) => pipeline.set(heartbeat, beat, 'PX', ttlMs))
      .add(workers, (pipeline) =>
        pipeline
          .zadd(workers, now, this.#worker)
          .zremrangebyscore(workers, '-inf', now - WORKER_LISTED_MS)
          .pexpire(workers, WORKER_LISTED_MS),
      )
      .run();
  }

  /** Renews these leases: one batch, one round trip. */
  async pulse(
    pulses: readonly ClientPulse[],
    options: { readonly now: number; readonly limited: boolean },
  ): Promise<void> {
    const batch = new Batch(this.#redis);
    for (const pulse of pulses) {
      const client = this.#keys.stream(pulse.stream).client(pulse.client);
      batch.add(client, (pipeline) =>
        pipeline
          .hset(client, ...this.#pulseFields(pulse, options.now))
          .pexpire(client, this.#leaseMs),
      );
    }
    for (const [stream, clients] of byStream(pulses)) {
      const key = this.#keys.stream(stream).clients;
      batch.add(key, (pipeline) => pipeline.sadd(key, ...clients).pexpire(key, this.#leaseMs));
    }
    if (options.limited && pulses.length > 0) {
      const { admittedClients } = this.#keys;
      const expiry = options.now + this.#leaseMs;
      const entries = pulses.flatMap(({ client }) => [expiry, client]);
      batch.add(admittedClients, (pipeline) =>
        pipeline.zadd(admittedClients, ...entries).pexpire(admittedClients, this.#leaseMs * 2),
      );
    }
    await batch.run();
  }

  /** Tells whoever listens that a client plays. */
  async announce(stream: StreamId, client: ClientId): Promise<void> {
    const event = { type: 'client_connected', client, worker: this.#worker };
    await this.#redis.publish(this.#keys.stream(stream).events, JSON.stringify(event));
  }

  /** Ids of this worker's clients that an operator's script or another worker asked to leave. */
  async askedToLeave(
    clients: readonly { stream: StreamId; client: ClientId }[],
  ): Promise<ClientId[]> {
    const streams = [...byStream(clients)];
    if (streams.length === 0) return [];
    const batch = new Batch(this.#redis);
    for (const [stream, ids] of streams) {
      const keys = this.#keys.stream(stream);
      const stops = ids.map((client) => keys.clientStop(client));
      batch.add(keys.clients, (pipeline) => pipeline.mget(...stops));
    }
    const answers = (await batch.run()) as (string | null)[][];
    return streams.flatMap(([, ids], i) =>
      ids.filter((_, n) => (answers[i]?.[n] ?? null) !== null),
    );
  }

  /** Drops the clients of a stream whose lease ran out; resolves to how many. */
  async reap(stream: StreamId, now: number): Promise<number> {
    const keys = this.#keys.stream(stream);
    const clients = (await this.#redis.smembers(keys.clients)) as ClientId[];
    if (clients.length === 0) return 0;
    const batch = new Batch(this.#redis);
    for (const client of clients) {
      batch.add(keys.clients, (pipeline) => pipeline.exists(keys.client(client)));
    }
    const answers = await batch.run();
    const gone = clients.filter((_, i) => answers[i] === 0);
    if (gone.length === 0) return 0;
    return (await this.#scripts.reap(
      [
        keys.clients,
        keys.lastClientDisconnect,
        keys.metadata,
        ...gone.map((client) => keys.client(client)),
      ],
      [now, this.#leaseMs, ...gone],
    )) as number;
  }

  async forgetWorker(): Promise<void> {
    const heartbeat = this.#keys.heartbeat(this.#worker);
    const { workers } = this.#keys;
    await new Batch(this.#redis)
      .add(heartbeat, (pipeline) => pipeline.unlink(heartbeat))
      .add(workers, (pipeline) => pipeline.zrem(workers, this.#worker))
      .run();
  }

  #fixedFields(record: ClientRecord): (string | number)[] {
    return [
      'connected_at',
      record.connectedAt,
      'ip_address',
      record.ip,
      'user_agent',
      record.userAgent,
      'worker_id',
      this.#worker,
      ...(record.user ? ['user', record.user] : []),
    ];
  }

  #pulseFields(pulse: ClientPulse, now: number): (string | number)[] {
    return [
      ...this.#fixedFields(pulse),
      'last_active',
      pulse.lastActive,
      'bytes_sent',
      pulse.bytesSent,
      'chunks_sent',
      pulse.chunksSent,
      'avg_rate_KBps',
      pulse.averageRate.toFixed(1),
      'current_rate_KBps',
      pulse.currentRate.toFixed(1),
      'skips',
      pulse.skips ?? 0,
      'behind_ms',
      pulse.behindMs ?? '',
      'stats_updated_at',
      now,
    ];
  }
}

function byStream(
  clients: readonly { readonly stream: StreamId; readonly client: ClientId }[],
): Map<StreamId, ClientId[]> {
  const streams = new Map<StreamId, ClientId[]>();
  for (const { stream, client } of clients) {
    const ids = streams.get(stream);
    if (ids === undefined) streams.set(stream, [client]);
    else ids.push(client);
  }
  return streams;
}
