import type { ChainableCommander, Redis } from 'ioredis';
import type { Clock } from '../clock.js';
import { parseStreamId, type ClientId, type StreamId, type WorkerId } from '../ids.js';
import {
  liveClient,
  liveEnded,
  liveStream,
  MAX_LIVE_CLIENTS,
  redisView,
  workerView,
  type LiveClient,
  type LiveStream,
  type Snapshot,
  type WorkerView,
} from '../inspect/live-view.js';
import type { Keys } from './keys.js';

export interface SnapshotOptions {
  /** Read the players too: one more round trip. */
  readonly clients: boolean;
}

/** Entries of a story and of the past streams in one snapshot: what is looked at, not what is kept. */
const STORY_SHOWN = 12;
const ENDED_SHOWN = 8;

interface Names {
  readonly streams: StreamId[];
  readonly workers: WorkerId[];
  readonly history: string[];
  readonly info: string;
}

interface StreamRow {
  readonly stream: StreamId;
  readonly view: LiveStream | null;
  readonly clients: ClientId[];
}

/** Reads everything that runs, in three round trips whatever there is; never SCANs. */
export class SnapshotStore {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #clock: Clock;

  constructor(options: { readonly redis: Redis; readonly keys: Keys; readonly clock: Clock }) {
    this.#redis = options.redis;
    this.#keys = options.keys;
    this.#clock = options.clock;
  }

  /** Everything but the engines, which have a store of their own. Rejects with the error of Redis. */
  async read(options: SnapshotOptions): Promise<Omit<Snapshot, 'engines'>> {
    const startedAt = this.#clock.monotonic();
    const names = await this.#names();
    const latencyMs = this.#clock.monotonic() - startedAt;
    const [rows, workers] = await Promise.all([this.#streams(names), this.#workers(names)]);
    const clients = options.clients ? await this.#clients(rows) : null;
    return {
      at: this.#clock.now(),
      redis: redisView(names.info, latencyMs),
      streams: rows.flatMap(({ view }) => view ?? []).sort(byStart),
      ended: names.history.flatMap((entry) => liveEnded(entry) ?? []),
      workers,
      ...(clients !== null && { clients }),
    };
  }

  async #names(): Promise<Names> {
    const pipeline = this.#redis
      .pipeline()
      .smembers(this.#keys.streams)
      .zrange(this.#keys.workers, '0', '-1')
      .lrange(this.#keys.history, 0, ENDED_SHOWN - 1)
      .info();
    const [streams, workers, history, info] = (await run(pipeline)) as [
      string[],
      WorkerId[],
      string[],
      string,
    ];
    return {
      streams: streams.map(parseStreamId).filter((id) => id !== null),
      workers,
      history,
      info,
    };
  }

  async #streams({ streams }: Names): Promise<StreamRow[]> {
    const pipeline = this.#redis.pipeline();
    for (const id of streams) {
      const keys = this.#keys.stream(id);
      pipeline
        .hgetall(keys.metadata)
        .get(keys.owner)
        .smembers(keys.clients)
        .get(keys.index)
        .exists(keys.stopping)
        .lrange(keys.story, -STORY_SHOWN, -1);
    }
    const answers = await run(pipeline);
    return streams.map((stream, at) => {
      const [metadata, owner, clients, head, stopping, story] = answers.slice(at * 6) as [
        Record<string, string>,
        string | null,
        ClientId[],
        string | null,
        number,
        string[],
      ];
      const facts = {
        ...{ stream, metadata, owner, head, story },
        clients: clients.length,
        stopping: stopping === 1,
      };
      return {
        stream,
        view: Object.keys(metadata).length === 0 ? null : liveStream(facts),
        clients,
      };
    });
  }

  async #workers({ workers }: Names): Promise<WorkerView[]> {
    if (workers.length === 0) return [];
    const beats = await this.#redis.mget(workers.map((worker) => this.#keys.heartbeat(worker)));
    return workers
      .flatMap((worker, at) => {
        const beat = beats[at];
        return beat ? (workerView(worker, beat) ?? []) : [];
      })
      .sort((a, b) => a.id.localeCompare(b.id));
  }

  async #clients(rows: readonly StreamRow[]): Promise<LiveClient[]> {
    const wanted = rows
      .flatMap(({ stream, clients }) => clients.map((client) => ({ stream, client })))
      .slice(0, MAX_LIVE_CLIENTS);
    const pipeline = this.#redis.pipeline();
    for (const { stream, client } of wanted) {
      pipeline.hgetall(this.#keys.stream(stream).client(client));
    }
    const records = (await run(pipeline)) as Record<string, string>[];
    return wanted
      .flatMap(({ stream, client }, at) => {
        const record = records[at] ?? {};
        // A client whose lease ran out is no longer one.
        return Object.keys(record).length === 0 ? [] : liveClient(stream, client, record);
      })
      .sort((a, b) => (a.connected_at ?? 0) - (b.connected_at ?? 0));
  }
}

async function run(pipeline: ChainableCommander): Promise<unknown[]> {
  if (pipeline.length === 0) return [];
  const results = (await pipeline.exec()) ?? [];
  return results.map(([error, value]) => {
    if (error) throw error;
    return value;
  });
}

function byStart(a: LiveStream, b: LiveStream): number {
  return (a.started_at ?? '').localeCompare(b.started_at ?? '') || a.key.localeCompare(b.key);
}
