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
import { Batch } from './batch.js';
import { masters, type RedisClient } from './client.js';
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
  /** One per server. */
  readonly infos: readonly string[];
}

interface StreamRow {
  readonly stream: StreamId;
  readonly view: LiveStream | null;
  readonly clients: ClientId[];
}

/** Reads everything that runs, in three round trips whatever there is; never SCANs. */
export class SnapshotStore {
  readonly #redis: RedisClient;
  readonly #keys: Keys;
  readonly #clock: Clock;

  constructor(options: {
    readonly redis: RedisClient;
    readonly keys: Keys;
    readonly clock: Clock;
  }) {
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
      redis: redisView(names.infos, latencyMs),
      streams: rows.flatMap(({ view }) => view ?? []).sort(byStart),
      ended: names.history.flatMap((entry) => liveEnded(entry) ?? []),
      workers,
      ...(clients !== null && { clients }),
    };
  }

  async #names(): Promise<Names> {
    const keys = this.#keys;
    const [answers, infos] = await Promise.all([
      new Batch(this.#redis)
        .add(keys.streams, (pipeline) => pipeline.smembers(keys.streams))
        .add(keys.workers, (pipeline) => pipeline.zrange(keys.workers, '0', '-1'))
        .add(keys.history, (pipeline) => pipeline.lrange(keys.history, 0, ENDED_SHOWN - 1))
        .run(),
      Promise.all(masters(this.#redis).map((server) => server.info())),
    ]);
    const [streams, workers, history] = answers as [string[], WorkerId[], string[]];
    return {
      streams: streams.map(parseStreamId).filter((id) => id !== null),
      workers,
      history,
      infos,
    };
  }

  async #streams({ streams }: Names): Promise<StreamRow[]> {
    const batch = new Batch(this.#redis);
    for (const id of streams) {
      const keys = this.#keys.stream(id);
      batch.add(keys.metadata, (pipeline) =>
        pipeline
          .hgetall(keys.metadata)
          .get(keys.owner)
          .smembers(keys.clients)
          .get(keys.index)
          .exists(keys.stopping)
          .lrange(keys.story, -STORY_SHOWN, -1),
      );
    }
    const answers = await batch.run();
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
    const batch = new Batch(this.#redis);
    for (const worker of workers) {
      const heartbeat = this.#keys.heartbeat(worker);
      batch.add(heartbeat, (pipeline) => pipeline.get(heartbeat));
    }
    const beats = (await batch.run()) as (string | null)[];
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
    const batch = new Batch(this.#redis);
    for (const { stream, client } of wanted) {
      const record = this.#keys.stream(stream).client(client);
      batch.add(record, (pipeline) => pipeline.hgetall(record));
    }
    const records = (await batch.run()) as Record<string, string>[];
    return wanted
      .flatMap(({ stream, client }, at) => {
        const record = records[at] ?? {};
        // A client whose lease ran out is no longer one.
        return Object.keys(record).length === 0 ? [] : liveClient(stream, client, record);
      })
      .sort((a, b) => (a.connected_at ?? 0) - (b.connected_at ?? 0));
  }
}

function byStart(a: LiveStream, b: LiveStream): number {
  return (a.started_at ?? '').localeCompare(b.started_at ?? '') || a.key.localeCompare(b.key);
}
