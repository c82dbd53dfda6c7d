import type { ClientId, KeyType, StreamId, WorkerId } from '../ids.js';
import { STORY_LENGTH, type StoryEntry } from '../inspect/story.js';
import { RING_SHARE } from '../ring-memory.js';
import { Batch } from './batch.js';
import type { RedisClient } from './client.js';
import type { StreamEvent } from './events.js';
import type { Keys } from './keys.js';
import { defineScript, type Script, type ScriptArg } from './scripts.js';

/** What a worker holds after it won a stream. */
export interface Ownership {
  readonly stream: StreamId;
  readonly term: number;
  /** `init_time` of the stream: names its life, which a takeover continues. */
  readonly life: string;
}

/** `given`: another worker has put the lock here, and the engine's connection is on its way. */
export type AcquireAnswer =
  | { readonly outcome: 'won'; readonly ownership: Ownership; readonly given: boolean }
  | { readonly outcome: 'taken'; readonly owner: string }
  | { readonly outcome: 'stopping' };

export type RenewAnswer =
  | {
      readonly outcome: 'renewed';
      readonly clients: number;
      /** ms epoch at which the last client left, or `null` while none has. */
      readonly lastDisconnect: number | null;
      /** The reason somebody gave for wanting a stop, or `null`. */
      readonly stopRequest: string | null;
    }
  /** Redis came back empty: the owner may restore itself. */
  | { readonly outcome: 'gone' }
  | { readonly outcome: 'lost' };

/** All in bytes of Redis' memory. */
export interface RingRequest {
  readonly wanted: number;
  readonly held: number;
  /** `PROXY_BUFFER_TOTAL_BYTES`; 0: only Redis' `maxmemory` bounds. */
  readonly total: number;
  /** Over the nodes of a Cluster: the memory of the one that is asked says nothing. */
  readonly spread: boolean;
  /** A stream that runs is never refused. */
  readonly runs: boolean;
}

export interface RingAnswer {
  readonly reserved: boolean;
  /** Bytes that were free; -1 without any bound. */
  readonly free: number;
}

export type Metadata = Readonly<Record<string, string | number>>;

export interface LockTimes {
  readonly lockMs: number;
  /** Life of the stream's other keys, ms; they outlive the lock so that a takeover finds them. */
  readonly keepMs: number;
}

/** Lock, term and metadata of streams: everything only their owner writes. */
export class OwnerStore {
  readonly #redis: RedisClient;
  readonly #keys: Keys;
  readonly #worker: WorkerId;
  readonly #times: LockTimes;
  readonly #scripts: Record<
    | 'acquire'
    | 'renew'
    | 'restore'
    | 'transfer'
    | 'yieldLock'
    | 'write'
    | 'tell'
    | 'beginStop'
    | 'end'
    | 'admit'
    | 'reserveRing',
    Script
  >;

  constructor(options: { redis: RedisClient; keys: Keys; worker: WorkerId; times: LockTimes }) {
    this.#redis = options.redis;
    this.#keys = options.keys;
    this.#worker = options.worker;
    this.#times = options.times;
    const define = (file: string): Script => defineScript(this.#redis, file);
    this.#scripts = {
      acquire: define('acquireOwner-4'),
      renew: define('renewOwner-8'),
      restore: define('restoreOwner-3'),
      transfer: define('transferOwner-4'),
      yieldLock: define('yieldOwner-3'),
      write: define('writeMetadata-3'),
      tell: define('tellStory-3'),
      beginStop: define('beginStop-6'),
      end: define('endStream-3'),
      admit: define('admit-1'),
      reserveRing: define('reserveRing-1'),
    };
  }

  async acquire(stream: StreamId, keyType: KeyType, now: number): Promise<AcquireAnswer> {
    const keys = this.#keys.stream(stream);
    const { lockMs, keepMs } = this.#times;
    // Listed before it is won: an owner that dies at once is found by its primary and by the sweep.
    this.#redis.sadd(this.#keys.streams, stream).catch(() => undefined);
    const [code, term, life, holder, given] = (await this.#scripts.acquire(
      [keys.owner, keys.term, keys.stopping, keys.metadata],
      [this.#worker, lockMs, keepMs, now, stream, keyType],
    )) as [number, number, string, string, number?];
    if (code === 1) {
      return { outcome: 'won', ownership: { stream, term, life }, given: given === 1 };
    }
    return code === 0 ? { outcome: 'taken', owner: holder } : { outcome: 'stopping' };
  }

  async renew(own: Ownership, fields: Metadata): Promise<RenewAnswer> {
    const keys = this.#keys.stream(own.stream);
    // Beside the script, because it makes nothing and so needs no lock: the next one does it again.
    this.#redis.pexpire(keys.story, this.#times.keepMs).catch(() => undefined);
    const [code, clients, last, request] = (await this.#scripts.renew(
      [
        keys.owner,
        keys.term,
        keys.metadata,
        keys.index,
        keys.marks,
        keys.clients,
        keys.lastClientDisconnect,
        keys.stopRequest,
      ],
      [this.#worker, own.term, own.life, this.#times.lockMs, this.#times.keepMs, ...flat(fields)],
    )) as [number, number, string, string];
    if (code === 0) return { outcome: 'gone' };
    if (code === -1) return { outcome: 'lost' };
    return {
      outcome: 'renewed',
      clients,
      // Operators write it too: what is no time counts for neither the owner nor `beginStop-6.lua`.
      lastDisconnect: /^\d+$/.test(last) ? Number(last) : null,
      stopRequest: request === '' ? null : request,
    };
  }

  /** False when somebody else has won the stream meanwhile. */
  async restore(own: Ownership, metadata: Metadata): Promise<boolean> {
    const keys = this.#keys.stream(own.stream);
    const code = await this.#scripts.restore(
      [keys.owner, keys.term, keys.metadata],
      [this.#worker, own.term, this.#times.lockMs, this.#times.keepMs, own.life, ...flat(metadata)],
    );
    return code === 1;
  }

  /** False when the term is over: the caller has lost the stream. */
  async write(own: Ownership, fields: Metadata): Promise<boolean> {
    const keys = this.#keys.stream(own.stream);
    const code = await this.#scripts.write(
      [keys.owner, keys.term, keys.metadata],
      [this.#worker, own.term, own.life, ...flat(fields)],
    );
    return code === 1;
  }

  /** Adds to the story; false when the term is over. */
  async tell(own: Ownership, entries: readonly StoryEntry[]): Promise<boolean> {
    const keys = this.#keys.stream(own.stream);
    const lines = entries.map((entry) => JSON.stringify(entry));
    const code = await this.#scripts.tell(
      [keys.owner, keys.term, keys.story],
      [this.#worker, own.term, STORY_LENGTH, this.#times.keepMs, ...lines],
    );
    return code === 1;
  }

  /** Gives the stream back so that a follower wins it at once. */
  async yieldLock(stream: StreamId, event: StreamEvent): Promise<boolean> {
    const keys = this.#keys.stream(stream);
    const args = [this.#worker, keys.events, JSON.stringify(event)];
    return (await this.#scripts.yieldLock([keys.owner, keys.metadata, keys.stopping], args)) === 1;
  }

  /** Puts the lock into the name of a worker that goes on with the engine's connection. */
  async transfer(
    own: Ownership,
    to: WorkerId,
    left: { readonly rest: Buffer; readonly tables: string },
  ): Promise<boolean> {
    const keys = this.#keys.stream(own.stream);
    const code = await this.#scripts.transfer(
      [keys.owner, keys.term, keys.metadata, keys.stopping],
      [
        ...[this.#worker, own.term, to, this.#times.lockMs],
        ...[left.rest.toString('base64'), left.tables, own.life],
      ],
    );
    return code === 1;
  }

  async beginStop(
    own: Ownership,
    options: {
      readonly now: number;
      readonly graceMs: number;
      readonly forced: boolean;
      /** ms epoch since which the caller knows of no viewer; `null` while it knows of one. */
      readonly idleSince: number | null;
    },
  ): Promise<'begun' | 'watched' | 'lost'> {
    const keys = this.#keys.stream(own.stream);
    const { now, graceMs, forced, idleSince } = options;
    const { owner, term, clients, stopping, lastClientDisconnect, metadata } = keys;
    const rule = [now, graceMs, forced ? '1' : '0', this.#times.lockMs, idleSince ?? ''];
    const code = await this.#scripts.beginStop(
      [owner, term, clients, stopping, lastClientDisconnect, metadata],
      [this.#worker, own.term, ...rule, own.life],
    );
    if (code === 1) return 'begun';
    return code === 0 ? 'watched' : 'lost';
  }

  /** Removes every key of the stream and its entries in the lists; false when the term is over and they are another's. */
  async end(own: Ownership, event: StreamEvent): Promise<boolean> {
    const keys = this.#keys.stream(own.stream);
    const [marks, clients, owner, term, life] = await Promise.all([
      this.#redis.hkeys(keys.marks),
      this.#redis.smembers(keys.clients) as Promise<ClientId[]>,
      this.#redis.get(keys.owner),
      this.#redis.get(keys.term),
      this.#redis.hget(keys.metadata, 'init_time'),
    ]);
    const held = owner === this.#worker && term === String(own.term) && life === own.life;
    // As long as the lock keeps others out: behind it the entries may be those of the stream's next life.
    if (held) await this.#takeOffLists(own.stream);
    const chunks = marks.filter((field) => /^\d+$/.test(field)).map(Number);
    const code = await this.#scripts.end(
      [
        ...[keys.owner, keys.term, keys.metadata, keys.index, keys.marks, keys.clients],
        ...[keys.stopping, keys.stopRequest, keys.lastClientDisconnect],
        ...[keys.connectionAttempt, keys.lastData, keys.activity, keys.story],
        ...chunks.map((index) => keys.chunk(index)),
        ...clients.flatMap((client) => [keys.client(client), keys.clientStop(client)]),
      ],
      [this.#worker, own.term, own.life, keys.events, JSON.stringify(event)],
    );
    return code === 1;
  }

  async readMetadata(stream: StreamId): Promise<Record<string, string>> {
    return this.#redis.hgetall(this.#keys.stream(stream).metadata);
  }

  /** What a follower looks at when no notice came: one round trip. */
  async readOwner(stream: StreamId): Promise<{ owner: string | null; life: string | null }> {
    const keys = this.#keys.stream(stream);
    const [owner, life] = (await new Batch(this.#redis)
      .add(keys.owner, (pipeline) => pipeline.get(keys.owner).hget(keys.metadata, 'init_time'))
      .run()) as (string | null)[];
    return { owner: owner ?? null, life: life ?? null };
  }

  async publish(stream: StreamId, event: StreamEvent): Promise<void> {
    await this.#redis.publish(this.#keys.stream(stream).events, JSON.stringify(event));
  }

  /** Lists the stream among the running ones (Redis may have come back empty), marks the time. */
  async announce(stream: StreamId, now: number): Promise<void> {
    const keys = this.#keys.stream(stream);
    const { keepMs } = this.#times;
    await new Batch(this.#redis)
      .add(this.#keys.streams, (pipeline) => pipeline.sadd(this.#keys.streams, stream))
      .add(keys.activity, (pipeline) =>
        pipeline
          .set(keys.connectionAttempt, now, 'PX', keepMs)
          .set(keys.activity, now, 'PX', keepMs),
      )
      .run();
  }

  async #takeOffLists(stream: StreamId): Promise<void> {
    const { streams, admittedStreams, admittedBytes } = this.#keys;
    await new Batch(this.#redis)
      .add(streams, (pipeline) => pipeline.srem(streams, stream))
      .add(admittedStreams, (pipeline) => pipeline.zrem(admittedStreams, stream))
      .add(admittedBytes, (pipeline) => pipeline.hdel(admittedBytes, stream))
      .run();
  }

  /** Keeps how a stream ended. */
  async remember(entry: string): Promise<void> {
    const { history } = this.#keys;
    await new Batch(this.#redis)
      .add(history, (pipeline) =>
        pipeline
          .lpush(history, entry)
          .ltrim(history, 0, HISTORY_LENGTH - 1)
          .pexpire(history, HISTORY_LIFE_MS),
      )
      .run();
  }

  /** Streams that are listed as running; some may be over. */
  async running(): Promise<StreamId[]> {
    return (await this.#redis.smembers(this.#keys.streams)) as StreamId[];
  }

  async unlist(stream: StreamId): Promise<void> {
    await this.#redis.srem(this.#keys.streams, stream);
  }

  async clientCount(stream: StreamId): Promise<number> {
    return this.#redis.scard(this.#keys.stream(stream).clients);
  }

  /** True when one more stream may run under `limit`; asking again prolongs the lease. */
  async admit(stream: StreamId, limit: number, now: number): Promise<boolean> {
    const args = [stream, limit, now, this.#times.keepMs];
    return (await this.#scripts.admit([this.#keys.admittedStreams], args)) === 1;
  }

  /** Keeps memory of Redis free for a ring; see `reserveRing-1.lua`. */
  async reserveRing(stream: StreamId, request: RingRequest): Promise<RingAnswer> {
    const { wanted, held, total, runs, spread } = request;
    const share = spread ? 0 : RING_SHARE;
    const args = [stream, wanted, held, RING_LIFE_MS, total, share, runs ? '1' : '0'];
    const [code, free] = (await this.#scripts.reserveRing([this.#keys.admittedBytes], args)) as [
      number,
      number,
    ];
    return { reserved: code === 1, free };
  }

  /** The reason an engine gave for refusing this content a moment ago, or `null`. */
  async refusal(stream: StreamId): Promise<string | null> {
    return this.#redis.get(this.#keys.refused(stream));
  }

  async rememberRefusal(stream: StreamId, reason: string): Promise<void> {
    await this.#redis.set(this.#keys.refused(stream), reason, 'PX', REFUSAL_LIFE_MS);
  }

  async kind(stream: StreamId): Promise<'content_id' | 'infohash' | null> {
    const kind = await this.#redis.get(this.#keys.kind(stream));
    return kind === 'content_id' || kind === 'infohash' ? kind : null;
  }

  async rememberKind(stream: StreamId, kind: 'content_id' | 'infohash'): Promise<void> {
    await this.#redis.set(this.#keys.kind(stream), kind, 'PX', KIND_LIFE_MS);
  }
}

/** A page of past streams is what an operator looks through. */
const HISTORY_LENGTH = 100;
const HISTORY_LIFE_MS = 24 * 3_600_000;
/** Spec 4: a refused content is remembered for 30 s. */
const REFUSAL_LIFE_MS = 30_000;
/** Three renewals of the engine's slot, with which it is renewed; a takeover says it anew. */
const RING_LIFE_MS = 30_000;
const KIND_LIFE_MS = 30 * 24 * 3_600_000;

function flat(fields: Metadata): ScriptArg[] {
  return Object.entries(fields).flat();
}
