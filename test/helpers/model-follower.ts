import { expect } from 'chai';
import type { StreamId } from '../../src/shared/ids.js';
import { silentLogger } from './silent-logger.js';
import type { RingStore } from '../../src/shared/redis/ring-store.js';
import { ChunkFeed } from '../../src/worker/ring/chunk-feed.js';
import { RingReader } from '../../src/worker/ring/ring-reader.js';

/**
 * The follower of the model: the real reader of the ring. Notices reach it in any order, twice or not
 * at all; what it then knows must be what the keys say.
 */
export class ModelFollower {
  readonly #feed: ChunkFeed;
  readonly #reader: RingReader;
  readonly #store: RingStore;
  readonly #stream: StreamId;
  readonly #notices: string[] = [];
  #underWay = 0;

  constructor(stream: StreamId, store: RingStore) {
    this.#stream = stream;
    this.#store = store;
    this.#feed = new ChunkFeed({
      bounds: { maxBytes: 1_000_000, ttlMs: 3_600_000 },
      memoryBytes: 1_000_000,
      read: (indices) => store.read(stream, indices),
      now: () => 0,
    });
    const watched = {
      snapshot: (of: StreamId) => this.#watch(store.snapshot(of)),
      read: (of: StreamId, indices: readonly number[]) => this.#watch(store.read(of, indices)),
    };
    this.#reader = new RingReader({
      ...{ stream, feed: this.#feed, logger: silentLogger },
      store: watched as unknown as RingStore,
      onRead: () => undefined,
    });
  }

  /** A notice is under way. */
  published(index: number, term: number, at: number): void {
    this.#notices.push(JSON.stringify({ i: index, t: term, at, s: 188, j: [], tb: null, sp: 0 }));
  }

  /** The oldest notice, or the newest before all others, arrives: once or twice. */
  async hear(twice: boolean, newestFirst: boolean): Promise<void> {
    const text = newestFirst ? this.#notices.pop() : this.#notices.shift();
    if (text === undefined) return;
    this.#reader.announce(text);
    if (twice) this.#reader.announce(text);
    await this.#quiet();
  }

  miss(): void {
    this.#notices.shift();
  }

  /** The connection for notices was away: what was under way is lost, and the keys are read. */
  async reconnect(): Promise<void> {
    this.#notices.length = 0;
    this.#reader.resync();
    await this.#quiet();
  }

  /** After it has read the keys it knows the ring's head and every chunk of it. */
  async expectInStep(): Promise<void> {
    await this.reconnect();
    const { head, marks } = await this.#store.snapshot(this.#stream);
    if (head === 0) return;
    const known = this.#feed.marks().map(({ index, term, at }) => ({ index, term, at }));
    const told = marks.map(({ i: index, t: term, at }) => ({ index, term, at }));
    expect(this.#feed.head, "the follower's head").to.equal(head);
    expect(known, 'what the follower knows').to.deep.include.members(told);
  }

  async #watch<T>(work: Promise<T>): Promise<T> {
    this.#underWay++;
    try {
      return await work;
    } finally {
      this.#underWay--;
    }
  }

  async #quiet(): Promise<void> {
    do await new Promise(setImmediate);
    while (this.#underWay > 0);
    await new Promise(setImmediate);
  }
}
