import { expect } from 'chai';
import fc from 'fast-check';
import type { StreamId } from '../../../src/shared/ids.js';
import { silentLogger } from '../../helpers/silent-logger.js';
import type { RingSnapshot, RingStore } from '../../../src/shared/redis/ring-store.js';
import type { Chunk } from '../../../src/worker/contracts.js';
import { ChunkFeed } from '../../../src/worker/ring/chunk-feed.js';
import { markOf, toWire } from '../../../src/worker/ring/ring-marks.js';
import { RingReader } from '../../../src/worker/ring/ring-reader.js';
import { encodeTables } from '../../../src/worker/ring/tables-codec.js';
import { ChunkMaker, TABLES } from '../../helpers/synthetic-ring.js';

const STREAM = 'a'.repeat(40) as StreamId;

/** What Redis holds, and which chunks were read. */
class FakeRedisRing {
  chunks: Chunk[] = [];
  reads: number[] = [];
  failing = false;

  /** As it is when it is asked for; the answer takes its time. */
  async snapshot(): Promise<RingSnapshot> {
    const now = {
      head: this.chunks.at(-1)?.index ?? 0,
      owner: 'o',
      marks: this.chunks.map((chunk) => toWire(markOf(chunk))),
      tables: new Map([[TABLES.name, encodeTables(TABLES)]]),
    };
    await this.#turn();
    return now;
  }

  async read(_stream: StreamId, indices: readonly number[]): Promise<(Buffer | null)[]> {
    await this.#turn();
    this.reads.push(...indices);
    return indices.map((i) => this.chunks.find(({ index }) => index === i)?.bytes ?? null);
  }

  async #turn(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.failing) throw new Error('Connection is closed.');
  }
}

describe('the ring reader of a follower', () => {
  let redis: FakeRedisRing;
  let feed: ChunkFeed;
  let reader: RingReader;
  let maker: ChunkMaker;

  const notice = (chunk: Chunk): string => JSON.stringify(toWire(markOf(chunk)));
  const turns = async (count = 12): Promise<void> => {
    for (let n = 0; n < count; n++) await new Promise((resolve) => setImmediate(resolve));
  };
  const publish = (count: number): Chunk[] => {
    const chunks = maker.many(count);
    redis.chunks.push(...chunks);
    return chunks;
  };
  const setUp = (): void => {
    redis = new FakeRedisRing();
    maker = new ChunkMaker();
    feed = new ChunkFeed({
      bounds: { maxBytes: Infinity, ttlMs: Infinity },
      memoryBytes: Infinity,
      read: (indices) => redis.read(STREAM, indices),
      now: () => 0,
    });
    const store = redis as unknown as RingStore;
    reader = new RingReader({
      stream: STREAM,
      store,
      feed,
      logger: silentLogger,
      onRead: () => undefined,
    });
  };
  beforeEach(setUp);

  it('knows all of a running ring at once and reads no byte of it that nobody needs', async () => {
    publish(20);
    reader.resync();
    await turns();
    expect(feed.head).to.equal(20);
    expect(feed.marks()).to.have.length(20);
    expect(redis.reads).to.deep.equal([]);
    expect((await feed.load(7))?.bytes).to.deep.equal(redis.chunks[6]?.bytes);
  });

  it('reads each chunk once and in order, whatever notices come, double or get lost', async () => {
    const step = { heard: fc.boolean(), times: fc.integer({ min: 1, max: 2 }), wait: fc.nat(3) };
    const schedule = fc.array(fc.record({ ...step, looks: fc.boolean() }), {
      minLength: 1,
      maxLength: 30,
    });
    await fc.assert(
      fc.asyncProperty(schedule, async (steps) => {
        setUp();
        publish(1);
        reader.resync();
        await turns();
        for (const { heard, times, wait, looks } of steps) {
          if (looks) reader.resync();
          const [chunk] = publish(1) as [Chunk];
          for (let n = 0; heard && n < times; n++) reader.announce(notice(chunk));
          await turns(wait);
        }
        // What was heard needs no further look, also when a look was on its way.
        if (steps.at(-1)?.heard !== true) reader.resync();
        await turns();
        expect(feed.head).to.equal(steps.length + 1);
        expect(feed.inMemory()).to.deep.equal(redis.chunks.slice(1));
        expect(redis.reads).to.deep.equal(redis.chunks.slice(1).map(({ index }) => index));
      }),
      { numRuns: 60 },
    );
  });

  it('goes on behind chunks that are gone', async () => {
    publish(1);
    reader.resync();
    await turns();
    publish(5);
    redis.chunks.splice(2, 2);
    reader.resync();
    await turns();
    expect(feed.inMemory().map(({ index }) => index)).to.deep.equal([2, 5, 6]);
  });

  it('begins anew with a ring of another life, also when that is further already', async () => {
    publish(10);
    reader.resync();
    await turns();
    maker.newLife();
    redis.chunks = [];
    publish(30);
    reader.resync();
    await turns();
    expect({ life: feed.life, head: feed.head }).to.deep.equal({ life: 1, head: 30 });
    expect(feed.marks()).to.deep.equal(redis.chunks.map(markOf));
  });

  it('sees by any notice that another ring was begun, also when nobody told of the end', async () => {
    publish(5);
    reader.resync();
    await turns();
    maker.newLife();
    redis.chunks = [];
    const fresh = publish(6);
    // The notices of 1 to 3 got lost; 4 and 5 are numbers that are known already.
    for (const chunk of fresh.slice(3)) reader.announce(notice(chunk));
    await turns();
    expect({ life: feed.life, head: feed.head }).to.deep.equal({ life: 1, head: 6 });
    expect(feed.marks()).to.deep.equal(fresh.map(markOf));
  });

  it('keeps its place while the owner publishes again to an empty Redis', async () => {
    publish(10);
    reader.resync();
    await turns();
    const all = redis.chunks;
    for (const count of [0, 2, 4]) {
      redis.chunks = all.slice(5, 5 + count);
      reader.resync();
      await turns();
    }
    expect({ life: feed.life, head: feed.head }).to.deep.equal({ life: 0, head: 10 });
  });

  it('tries again after a failure when it is told to look', async () => {
    publish(3);
    redis.failing = true;
    reader.resync();
    await turns();
    expect(feed.head).to.equal(0);
    redis.failing = false;
    reader.resync();
    await turns();
    expect(feed.head).to.equal(3);
  });

  it('leaves the feed alone once it is stopped', async () => {
    publish(3);
    reader.resync();
    reader.stop();
    await turns();
    expect(feed.head).to.equal(0);
  });
});
