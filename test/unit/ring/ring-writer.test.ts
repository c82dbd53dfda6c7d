import { expect } from 'chai';
import type { StreamId } from '../../../src/shared/ids.js';
import { silentLogger } from '../../helpers/silent-logger.js';
import type { AppendRequest, RingStore } from '../../../src/shared/redis/ring-store.js';
import { ChunkFeed } from '../../../src/worker/ring/chunk-feed.js';
import { RingWriter, WriterState } from '../../../src/worker/ring/ring-writer.js';
import { ChunkMaker, TABLES } from '../../helpers/synthetic-ring.js';

const CHUNK_BYTES = 20 * 188;
const away = new Error('Command timed out');

/** Answers of Redis in the hands of the test. */
class FakeRing {
  requests: AppendRequest[] = [];
  discarded: number[] = [];
  answer: () => Promise<boolean> = () => Promise.resolve(true);

  append(_stream: StreamId, request: AppendRequest): Promise<boolean> {
    this.requests.push(request);
    return this.answer();
  }

  discard(_stream: StreamId, indices: readonly number[]): Promise<void> {
    this.discarded.push(...indices);
    return Promise.resolve();
  }

  get indices(): number[] {
    return this.requests.map(({ mark }) => mark.i);
  }
}

describe('the ring writer', () => {
  let ring: FakeRing;
  let feed: ChunkFeed;
  let writer: RingWriter;
  let maker: ChunkMaker;
  let refused: number;

  const write = (count: number): void => {
    for (const chunk of maker.many(count)) writer.write(chunk, feed.append(chunk));
  };
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  beforeEach(() => {
    ring = new FakeRing();
    maker = new ChunkMaker();
    refused = 0;
    feed = new ChunkFeed({
      bounds: { maxBytes: 10 * CHUNK_BYTES, ttlMs: Infinity },
      memoryBytes: 6 * CHUNK_BYTES,
      read: () => Promise.resolve([]),
      now: () => 0,
    });
    writer = new RingWriter({
      ownership: { stream: 'a'.repeat(40) as StreamId, term: 3, life: '1' },
      store: ring as unknown as RingStore,
      feed,
      logger: silentLogger,
      now: () => 0,
      onRefused: () => refused++,
    });
  });

  it('sends every chunk in order under its term, the tables once, and what falls out', async () => {
    write(12);
    await settle();
    expect(ring.indices).to.deep.equal([...Array(12).keys()].map((n) => n + 1));
    expect(ring.requests.every(({ term }) => term === 3)).to.equal(true);
    expect(ring.requests.map(({ tables }) => tables?.name ?? '').join('')).to.equal(TABLES.name);
    expect(ring.requests.flatMap(({ drop }) => drop)).to.deep.equal([1, 2]);
  });

  it('publishes from memory what it could not while Redis was away', async () => {
    write(2);
    await settle();
    ring.answer = () => Promise.reject(away);
    write(1);
    await settle();
    expect(writer.state).to.equal(WriterState.Detached);
    write(2);
    ring.answer = () => Promise.resolve(true);
    ring.requests = [];
    writer.attach({ emptied: false });
    write(1);
    await settle();
    expect(ring.indices).to.deep.equal([3, 4, 5, 6]);
    expect(ring.requests.map(({ tables }) => tables !== null)).to.deep.equal([
      false,
      false,
      false,
      false,
    ]);
  });

  it('publishes everything in memory, with the tables, to a Redis that came back empty', async () => {
    write(9);
    await settle();
    ring.requests = [];
    writer.attach({ emptied: true });
    await settle();
    expect(ring.indices).to.deep.equal([4, 5, 6, 7, 8, 9]);
    expect(ring.requests[0]?.tables?.name).to.equal(TABLES.name);
  });

  it('owes Redis the removal of what it published, and only of that, after an outage', async () => {
    write(10);
    await settle();
    ring.answer = () => Promise.reject(away);
    write(1);
    await settle();
    // Long enough that chunks come and go which Redis never saw.
    write(40);
    ring.answer = () => Promise.resolve(true);
    ring.requests = [];
    writer.attach({ emptied: false });
    await settle();
    const drops = ring.requests.flatMap(({ drop }) => drop).sort((a, b) => a - b);
    expect(drops).to.deep.equal([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it('stops and says so when its term is refused, and goes on when the lock proves its own', async () => {
    write(1);
    await settle();
    ring.answer = () => Promise.resolve(false);
    write(2);
    await settle();
    expect({ refused, state: writer.state }).to.deep.equal({ refused: 1, state: 'detached' });
    ring.answer = () => Promise.resolve(true);
    ring.requests = [];
    writer.attach({ emptied: false });
    await settle();
    expect(ring.indices).to.deep.equal([2, 3]);
  });

  it('says again what went with a chunk that was refused: the tables, and what falls out', async () => {
    write(10);
    await settle();
    ring.answer = () => Promise.resolve(false);
    const chunk = maker.next({ tables: { ...TABLES, name: 'other' } });
    writer.write(chunk, feed.append(chunk));
    await settle();
    ring.answer = () => Promise.resolve(true);
    ring.requests = [];
    writer.attach({ emptied: false });
    await settle();
    expect(ring.requests[0]?.tables?.name).to.equal('other');
    expect(ring.requests.flatMap(({ drop }) => drop)).to.deep.equal([1]);
  });

  it('makes room when Redis is full', async () => {
    write(8);
    await settle();
    ring.answer = () => Promise.reject(new Error('OOM command not allowed'));
    write(1);
    await settle();
    expect(ring.discarded).to.deep.equal([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(writer.state).to.equal(WriterState.Detached);
  });

  it('feeds from memory when Redis is too slow', async () => {
    ring.answer = () => new Promise(() => undefined);
    maker = new ChunkMaker({ packets: 5_000 });
    write(12);
    await settle();
    expect(writer.state).to.equal(WriterState.Detached);
    expect(ring.requests.length).to.equal(9);
  });

  it('writes nothing after its end, which waits for what is under way', async () => {
    let accept: (accepted: boolean) => void = () => undefined;
    ring.answer = () => new Promise((resolve) => (accept = resolve));
    write(1);
    let closed = false;
    const closing = writer.close().then(() => (closed = true));
    await settle();
    expect(closed).to.equal(false);
    write(1);
    writer.attach({ emptied: true });
    accept(true);
    await closing;
    expect(ring.indices).to.deep.equal([1]);
  });
});
