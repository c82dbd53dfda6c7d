import type { StreamId, WorkerId } from '../ids.js';
import { Batch } from './batch.js';
import type { RedisClient } from './client.js';
import type { Keys, StreamKeys } from './keys.js';
import { defineScript, type Script, type ScriptArg } from './scripts.js';
import { setBytes } from './set-bytes.js';

/** The few bytes that describe a chunk: the value in `buffer:marks` and the notice itself. */
export interface WireMark {
  readonly i: number;
  readonly t: number;
  readonly at: number;
  readonly s: number;
  readonly j: readonly number[];
  readonly tb: string | null;
  readonly sp: 0 | 1;
}

export interface AppendRequest {
  readonly term: number;
  /** `init_time` of the stream (`Ownership.life`). */
  readonly life: string;
  readonly mark: WireMark;
  readonly bytes: Buffer;
  /** Tables that Redis has not seen yet under their name, serialised. */
  readonly tables: { readonly name: string; readonly text: string } | null;
  /** Indices of the chunks that fall out of the byte bound. */
  readonly drop: readonly number[];
  readonly now: number;
}

export interface RingSnapshot {
  readonly head: number;
  readonly owner: string | null;
  readonly marks: readonly WireMark[];
  /** Name → serialised tables. */
  readonly tables: ReadonlyMap<string, string>;
}

const TABLES_FIELD = 'tables:';
/** ms; the step that takes them follows at once, or never: the owner died in between. */
const STAGED_MS = 3_000;

/** The ring in Redis: fenced appends of the owner, reads of the followers. */
export class RingStore {
  readonly #data: RedisClient;
  readonly #keys: Keys;
  readonly #worker: WorkerId;
  readonly #chunkLifeMs: number;
  readonly #keepMs: number;
  readonly #append: Script;

  constructor(options: {
    data: RedisClient;
    keys: Keys;
    worker: WorkerId;
    chunkLifeMs: number;
    /** Life of index and marks, ms. */
    keepMs: number;
  }) {
    this.#data = options.data;
    this.#keys = options.keys;
    this.#worker = options.worker;
    this.#chunkLifeMs = options.chunkLifeMs;
    this.#keepMs = options.keepMs;
    this.#append = defineScript(this.#data, 'appendChunk-8');
  }

  /**
   * Two commands that go out together, the bytes and the step that makes them part of the ring. False when
   * the term is over: Redis refused the chunk.
   */
  async append(stream: StreamId, request: AppendRequest): Promise<boolean> {
    const keys = this.#keys.stream(stream);
    const { mark, tables } = request;
    const args: ScriptArg[] = [
      this.#worker,
      request.term,
      mark.i,
      this.#chunkLifeMs,
      this.#keepMs,
      keys.notices,
      JSON.stringify(mark),
      request.now,
      tables?.name ?? '',
      tables?.text ?? '',
      request.life,
      ...request.drop,
    ];
    const { owner, term, index, marks, lastData, metadata } = keys;
    const staged = keys.staged(this.#worker, request.term, mark.i);
    const [chunk = '', ...dropped] = [mark.i, ...request.drop].map((n) => keys.chunk(n));
    const [, code] = await Promise.all([
      setBytes(this.#data, staged, request.bytes, STAGED_MS),
      this.#append(
        [owner, term, index, marks, lastData, metadata, chunk, staged, ...dropped],
        args,
      ),
    ]);
    if (code === -2)
      throw new Error('the connection moved between the bytes of a chunk and its step');
    return code === 1;
  }

  /** Deletes chunks at once: what an owner does when Redis has no memory left. */
  async discard(stream: StreamId, indices: readonly number[]): Promise<void> {
    if (indices.length === 0) return;
    const keys = this.#keys.stream(stream);
    await new Batch(this.#data)
      .add(keys.marks, (pipeline) =>
        pipeline
          .unlink(...indices.map((index) => keys.chunk(index)))
          .hdel(keys.marks, ...indices.map(String)),
      )
      .run();
  }

  /** Everything that a worker must know to follow: one round trip. */
  async snapshot(stream: StreamId): Promise<RingSnapshot> {
    const keys = this.#keys.stream(stream);
    const [head, owner, fields] = (await new Batch(this.#data)
      .add(keys.index, (pipeline) => pipeline.get(keys.index).get(keys.owner).hgetall(keys.marks))
      .run()) as [string | null, string | null, Record<string, string>];
    return { head: Number(head ?? 0), owner, ...splitMarks(fields) };
  }

  /** Head and owner, for the poll: one round trip. */
  async head(stream: StreamId): Promise<{ head: number; owner: string | null }> {
    const keys: StreamKeys = this.#keys.stream(stream);
    const [head, owner] = await this.#data.mget(keys.index, keys.owner);
    return { head: Number(head ?? 0), owner: owner ?? null };
  }

  /** Bytes of the chunks, in the order asked for; `null` for one that is gone. */
  async read(stream: StreamId, indices: readonly number[]): Promise<(Buffer | null)[]> {
    const keys = this.#keys.stream(stream);
    return this.#data.mgetBuffer(...indices.map((index) => keys.chunk(index)));
  }
}

export function parseWireMark(text: string): WireMark | null {
  try {
    const value = JSON.parse(text) as Partial<WireMark> | null;
    const whole = typeof value?.i === 'number' && typeof value.s === 'number';
    return whole && Array.isArray(value.j) ? (value as WireMark) : null;
  } catch {
    return null;
  }
}

function splitMarks(fields: Record<string, string>): Pick<RingSnapshot, 'marks' | 'tables'> {
  const marks: WireMark[] = [];
  const tables = new Map<string, string>();
  for (const [field, text] of Object.entries(fields)) {
    if (field.startsWith(TABLES_FIELD)) tables.set(field.slice(TABLES_FIELD.length), text);
    else {
      const mark = parseWireMark(text);
      if (mark !== null) marks.push(mark);
    }
  }
  marks.sort((a, b) => a.i - b.i);
  return { marks, tables };
}
