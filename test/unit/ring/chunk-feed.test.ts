import { expect } from 'chai';
import fc from 'fast-check';
import type { Chunk } from '../../../src/worker/contracts.js';
import { ChunkFeed, type ChunkFeedOptions } from '../../../src/worker/ring/chunk-feed.js';
import { markOf } from '../../../src/worker/ring/ring-marks.js';
import { ChunkMaker, TABLES } from '../../helpers/synthetic-ring.js';

const CHUNK_BYTES = 20 * 188;

/** A Redis that answers when it is told to. */
class SlowReads {
  readonly asked: number[] = [];
  readonly stored = new Map<number, Buffer>();
  #waiting: (() => void)[] = [];

  readonly read = async (indices: readonly number[]): Promise<(Buffer | null)[]> => {
    this.asked.push(...indices);
    const found = indices.map((index) => this.stored.get(index) ?? null);
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return found;
  };

  answer(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

function makeFeed(reads: SlowReads, changes: Partial<ChunkFeedOptions> = {}): ChunkFeed {
  return new ChunkFeed({
    bounds: { maxBytes: 100 * CHUNK_BYTES, ttlMs: 60_000 },
    memoryBytes: 5 * CHUNK_BYTES,
    read: reads.read,
    now: () => 1_000_000,
    ...changes,
  });
}

describe('the feed of a worker', () => {
  let reads: SlowReads;
  beforeEach(() => {
    reads = new SlowReads();
  });

  it('keeps the newest bytes in bounded memory and the marks of all', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 40 }),
        (count, memory, ring) => {
          const feed = makeFeed(reads, {
            memoryBytes: memory * CHUNK_BYTES,
            bounds: { maxBytes: ring * CHUNK_BYTES, ttlMs: 60_000 },
          });
          const chunks = new ChunkMaker().many(count);
          for (const chunk of chunks) feed.append(chunk);
          expect(feed.marks()).to.deep.equal(chunks.slice(-ring).map(markOf));
          expect(feed.inMemory()).to.deep.equal(chunks.slice(-Math.min(memory, ring)));
          expect(feed.head).to.equal(count);
        },
      ),
    );
  });

  it('keeps the newest chunk even when it alone is more than memory allows', () => {
    const feed = makeFeed(reads, { memoryBytes: 10 });
    const chunks = new ChunkMaker().many(3);
    for (const chunk of chunks) feed.append(chunk);
    expect(feed.inMemory()).to.deep.equal(chunks.slice(-1));
  });

  it('does not keep bytes of chunks whose time in the ring is over', () => {
    let now = 0;
    const bounds = { maxBytes: Infinity, ttlMs: 1_000 };
    const feed = makeFeed(reads, { memoryBytes: Infinity, bounds, now: () => now });
    for (const chunk of new ChunkMaker().many(30)) {
      now = chunk.at;
      feed.append(chunk);
    }
    expect(feed.marks().map(({ index }) => index)).to.deep.equal(
      [...Array(10).keys()].map((n) => n + 21),
    );
    expect(feed.inMemory()).to.have.length(10);
  });

  it('takes each number once', () => {
    const feed = makeFeed(reads);
    const [first, second] = new ChunkMaker().many(2) as [Chunk, Chunk];
    feed.append(first);
    feed.append(second);
    let changes = 0;
    feed.onChange(() => changes++);
    expect(feed.append(first)).to.deep.equal([]);
    expect(changes).to.equal(0);
    expect(feed.head).to.equal(2);
  });

  it('reads a chunk from Redis once for all who ask, and again for who asks later', async () => {
    const feed = makeFeed(reads);
    const chunks = new ChunkMaker().many(8);
    for (const chunk of chunks) feed.append(chunk);
    reads.stored.set(1, chunks[0]!.bytes);
    const both = Promise.all([feed.load(1), feed.load(1)]);
    reads.answer();
    const [one, other] = await both;
    expect(one).to.deep.equal(chunks[0]);
    expect(other).to.equal(one);
    expect(reads.asked).to.deep.equal([1]);
    const later = feed.load(1);
    reads.answer();
    expect(await later).to.deep.equal(chunks[0]);
    expect(reads.asked).to.deep.equal([1, 1]);
  });

  it('gives what is in memory without Redis, and nothing for what nobody knows', async () => {
    const feed = makeFeed(reads);
    const chunks = new ChunkMaker().many(3);
    for (const chunk of chunks) feed.append(chunk);
    expect(await feed.load(3)).to.equal(chunks[2]);
    expect(await feed.load(99)).to.equal(null);
    expect(reads.asked).to.deep.equal([]);
  });

  it('hands out nothing of a life that ended while it was read', async () => {
    const maker = new ChunkMaker();
    const feed = makeFeed(reads);
    const old = maker.many(8);
    for (const chunk of old) feed.append(chunk);
    reads.stored.set(1, old[0]!.bytes);
    const before = feed.load(1);
    feed.reset();
    maker.newLife();
    const fresh = maker.many(8);
    for (const chunk of fresh) feed.append(chunk);
    reads.stored.set(1, fresh[0]!.bytes);
    const after = feed.load(1);
    reads.answer();
    expect(await before).to.equal(null);
    expect(await after).to.deep.equal(fresh[0]);
    expect(feed.life).to.equal(1);
  });

  it('adopts a window that Redis knows and keeps the memory that belongs to it', () => {
    const maker = new ChunkMaker();
    const feed = makeFeed(reads);
    const own = maker.many(4);
    for (const chunk of own) feed.append(chunk);
    const newer = maker.many(3);
    const other = { ...own[3]!, at: own[3]!.at + 7 };
    feed.adopt(7, [...own.slice(1, 3), other, ...newer].map(markOf));
    expect(feed.head).to.equal(7);
    expect(feed.inMemory()).to.deep.equal(own.slice(1, 3));
    expect(feed.peek(4)).to.equal(null);
  });

  it('tells another ring from its own that is being published again', () => {
    const maker = new ChunkMaker();
    const feed = makeFeed(reads);
    const own = maker.many(10);
    for (const chunk of own) feed.append(chunk);
    const marks = own.map(markOf);
    // The same ring, further on; the same ring, published again from the middle; nothing yet.
    expect(feed.contradicts(12, [...marks, ...maker.many(2).map(markOf)])).to.equal(false);
    expect(feed.contradicts(5, marks.slice(3, 5))).to.equal(false);
    expect(feed.contradicts(0, [])).to.equal(false);
    // A new life with lower numbers that are still remembered, or are not.
    maker.newLife();
    const fresh = maker.many(30).map(markOf);
    expect(feed.contradicts(5, fresh.slice(0, 5))).to.equal(true);
    expect(feed.contradicts(5, [])).to.equal(true);
    // Another owner continued where this worker went on alone, and is further already.
    expect(feed.contradicts(30, [...marks.slice(0, 5), ...fresh.slice(5)])).to.equal(true);
  });

  it('forgets tables that no chunk names any more', () => {
    const bounds = { maxBytes: 3 * CHUNK_BYTES, ttlMs: 60_000 };
    const feed = makeFeed(reads, { bounds });
    const maker = new ChunkMaker();
    feed.append(maker.next({ tables: { ...TABLES, name: 'old' } }));
    for (let n = 0; n < 5; n++) feed.append(maker.next());
    expect(feed.tables('old')).to.equal(null);
    expect(feed.tables(TABLES.name)).to.equal(TABLES);
  });

  it('tells its listeners of chunks after what follows the append in the same turn', async () => {
    const feed = makeFeed(reads);
    const maker = new ChunkMaker();
    const order: string[] = [];
    feed.onChange(() => order.push('listener'));
    feed.append(maker.next());
    // As ioredis: it corks the connection in this turn.
    process.nextTick(() => order.push('the chunk is with the system'));
    feed.append(maker.next());
    await new Promise(setImmediate);
    expect(order).to.deep.equal(['the chunk is with the system', 'listener']);
  });

  it('tells its listeners of each change until they are no more', async () => {
    const feed = makeFeed(reads);
    const maker = new ChunkMaker();
    let calls = 0;
    const stop = feed.onChange(() => calls++);
    feed.append(maker.next());
    await new Promise(setImmediate);
    feed.adopt(3, maker.many(2).map(markOf));
    stop();
    feed.append(maker.next());
    await new Promise(setImmediate);
    expect(calls).to.equal(2);
  });
});
