import type { Logger } from '../../shared/log/logger.js';
import { parseWireMark, type RingStore } from '../../shared/redis/ring-store.js';
import type { StreamId } from '../../shared/ids.js';
import type { ChunkMark } from '../contracts.js';
import type { ChunkFeed } from './chunk-feed.js';
import { fromWire } from './ring-marks.js';
import { decodeTables } from './tables-codec.js';

export interface RingReaderOptions {
  readonly stream: StreamId;
  readonly store: RingStore;
  readonly feed: ChunkFeed;
  readonly logger: Logger;
  /** `at`: when the newest of them was cut, ms. */
  readonly onRead: (chunks: number, bytes: number, at: number) => void;
}

/** Chunks fetched with one command while catching up: bounded by bytes, not to block others long. */
const BATCH_BYTES = 2 * 1_048_576;

/** Fills a follower's feed from Redis: each chunk is read once, in order, whatever the clients. */
export class RingReader {
  readonly #options: RingReaderOptions;
  /** Marks that were announced and not yet read, ascending. */
  #announced: ChunkMark[] = [];
  #busy = false;
  #stopped = false;
  #resync = true;

  constructor(options: RingReaderOptions) {
    this.#options = options;
  }

  /** A notice came: the mark of the newest chunk. */
  announce(text: string): void {
    const wire = parseWireMark(text);
    if (wire === null) return;
    const mark = fromWire(wire);
    const last = this.#announced.at(-1)?.index ?? this.#options.feed.head;
    if (mark.index <= last) {
      const { feed } = this.#options;
      // Another ring was begun, and its first notices got lost: what comes next does not continue ours.
      if (feed.contradicts(feed.head, [mark])) this.resync();
      return;
    }
    // A hole, or tables that nobody described yet: the snapshot tells.
    const unknown = mark.tables !== null && this.#options.feed.tables(mark.tables) === null;
    if (mark.index !== last + 1 || unknown) this.#resync = true;
    else this.#announced.push(mark);
    this.#wake();
  }

  /** Reads the whole state again: after a reconnect, or when the poll found a newer head. */
  resync(): void {
    this.#resync = true;
    this.#wake();
  }

  stop(): void {
    this.#stopped = true;
  }

  #wake(): void {
    if (this.#busy || this.#stopped) return;
    this.#busy = true;
    void this.#drain().catch((error: unknown) => {
      // The poll comes again; what was announced is in the snapshot too.
      this.#announced = [];
      this.#resync = true;
      this.#options.logger.debug('the ring could not be read', { error });
      this.#busy = false;
    });
  }

  async #drain(): Promise<void> {
    while (!this.#stopped && (this.#resync || this.#announced.length > 0)) {
      if (this.#resync) await this.#readSnapshot();
      else await this.#readAnnounced();
    }
    this.#busy = false;
  }

  async #readSnapshot(): Promise<void> {
    const { feed, store, stream } = this.#options;
    this.#resync = false;
    const snapshot = await store.snapshot(stream);
    if (this.#stopped) return;
    for (const [name, text] of snapshot.tables) {
      if (feed.tables(name) === null) feed.learnTables(decodeTables(name, text));
    }
    const marks = snapshot.marks.map(fromWire);
    if (feed.contradicts(snapshot.head, marks)) {
      feed.reset();
      this.#announced = [];
    }
    const known = feed.head;
    const head = Math.max(known, snapshot.head, marks.at(-1)?.index ?? 0);
    if (known === 0) feed.adopt(snapshot.head, marks);
    const unread = known === 0 ? [] : marks.filter(({ index }) => index > known);
    this.#announced = [...unread, ...this.#overtaking(head)];
  }

  /** Notices that came while a look was on its way that had begun before them; a hole is looked at again. */
  #overtaking(head: number): ChunkMark[] {
    const later = this.#announced.filter(({ index }) => index > head);
    if (later.length === 0 || later[0]?.index === head + 1) return later;
    this.#resync = true;
    return [];
  }

  async #readAnnounced(): Promise<void> {
    const { feed, store, stream, onRead } = this.#options;
    const batch = takeBatch(this.#announced);
    const found = await store.read(
      stream,
      batch.map(({ index }) => index),
    );
    if (this.#stopped) return;
    this.#announced.splice(0, batch.length);
    let bytes = 0;
    batch.forEach((mark, i) => {
      const chunk = found[i];
      if (!chunk) return;
      bytes += chunk.length;
      feed.append(feed.chunkOf(mark, chunk));
    });
    onRead(batch.length, bytes, batch.at(-1)?.at ?? 0);
  }
}

function takeBatch(marks: readonly ChunkMark[]): ChunkMark[] {
  const batch: ChunkMark[] = [];
  let bytes = 0;
  for (const mark of marks) {
    if (batch.length > 0 && bytes + mark.size > BATCH_BYTES) break;
    bytes += mark.size;
    batch.push(mark);
  }
  return batch;
}
