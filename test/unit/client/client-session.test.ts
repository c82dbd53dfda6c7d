import { once } from 'node:events';
import { expect } from 'chai';
import fc from 'fast-check';
import { joinHead, spliceHead } from '../../../src/shared/mpegts/splice.js';
import type { Chunk } from '../../../src/worker/contracts.js';
import { ClientState } from '../../../src/worker/client/client-session.js';
import { Wire } from '../../helpers/client-wire.js';
import { ChunkMaker, SyntheticRing, TABLES } from '../../helpers/synthetic-ring.js';
import { continuityFaults } from '../../helpers/ts-packets.js';
import { until } from '../../helpers/until.js';

/** Bytes of a slice (src/worker/client/client-session.ts) and of the socket's own high-water mark. */
const SLICE = 188 * 1_394;
const HIGH_WATER = 16_384;
const NULL_HEADER = 0x471fff10;

/** Everything a joiner gets that starts in `chunk`, up to the end of `chunks`. */
function joined(chunks: readonly Chunk[], chunk: Chunk): Buffer {
  const offset = chunk.joins.at(-1) ?? 0;
  const rest = chunks.filter(({ index }) => index > chunk.index).map(({ bytes }) => bytes);
  const head = joinHead(TABLES, chunk.bytes, offset);
  return Buffer.concat([head, chunk.bytes.subarray(offset), ...rest]);
}

function resumed(chunks: readonly Chunk[], chunk: Chunk): Buffer {
  const { head, from } = spliceHead(TABLES, chunk.bytes, chunk.joins.at(-1) ?? 0);
  const rest = chunks.filter(({ index }) => index > chunk.index).map(({ bytes }) => bytes);
  return Buffer.concat([head, chunk.bytes.subarray(from), ...rest]);
}

describe('a client session', () => {
  let wire: Wire;
  const wires: Wire[] = [];
  beforeEach(async () => {
    wire = await Wire.open();
    wires.push(wire);
  });
  afterEach(() => {
    for (const one of wires.splice(0)) one.end();
  });

  it('gives PAT, PMT and a keyframe 2 s behind the head, then every byte, memory or Redis', async () => {
    const settings = fc.record({
      count: fc.integer({ min: 1, max: 60 }),
      more: fc.nat(20),
      packets: fc.integer({ min: 15, max: 3_000 }),
      stored: fc.uniqueArray(fc.integer({ min: 1, max: 80 })),
    });
    await fc.assert(
      fc.asyncProperty(settings, async ({ count, more, packets, stored }) => {
        const own = await Wire.open();
        const maker = new ChunkMaker({ packets });
        const chunks = maker.many(count);
        const ring = new SyntheticRing(chunks);
        for (const index of stored) ring.stored.add(index);
        const first = chunks.findLast(({ index }) => index % 10 === 1 && count - index >= 20);
        const client = own.client(ring);
        await client.join();
        const all = [...chunks];
        for (const chunk of maker.many(more)) {
          ring.add(chunk);
          all.push(chunk);
          client.pump();
        }
        const expected = joined(all, first ?? chunks[0]!);
        const received = await own.untilReceived(expected.length);
        own.end();
        expect(received.equals(expected)).to.equal(true);
        expect(client.bytesSent).to.equal(expected.length);
        expect({
          skips: client.skips,
          behind: client.behind,
          disobeyed: own.disobeyed,
        }).to.deep.equal({ skips: 0, behind: 0, disobeyed: false });
        expect(continuityFaults(received)).to.deep.equal([]);
      }),
      { numRuns: 12 },
    );
  });

  it('writes to a socket that is full only when it has drained, one slice at a time', async () => {
    const chunks = new ChunkMaker({ packets: 5_000 }).many(25);
    wire.peer.pause();
    const client = wire.client(new SyntheticRing(chunks));
    await client.join();
    await until('the socket is full', () => client.state === ClientState.Blocked);
    for (let n = 0; n < 50; n++) client.pump();
    expect(wire.mostQueued).to.be.at.most(SLICE + HIGH_WATER);
    wire.peer.resume();
    const expected = joined(chunks, chunks[0]!);
    const received = await wire.untilReceived(expected.length);
    expect(received.equals(expected)).to.equal(true);
    expect(wire.disobeyed).to.equal(false);
    expect(wire.mostQueued).to.be.at.most(SLICE + HIGH_WATER);
  });

  it('goes on at a newer keyframe, marked, when it fell out of the ring', async () => {
    const maker = new ChunkMaker({ packets: 5_000 });
    const chunks = maker.many(25);
    const ring = new SyntheticRing(chunks);
    wire.peer.pause();
    const client = wire.client(ring);
    await client.join();
    await until('the socket is full', () => client.state === ClientState.Blocked);
    const newer = maker.many(40);
    for (const chunk of newer) ring.add(chunk);
    const kept = [...chunks.slice(24), ...newer];
    ring.drop(...chunks.slice(0, 24).map(({ index }) => index));
    wire.peer.resume();
    // 65 chunks in all: the newest keyframe with 2 s behind it is in chunk 41.
    const after = resumed(
      kept,
      kept.find(({ index }) => index === 41)!,
    );
    await until('the client is at the head', () => client.behind === 0);
    await wire.quiet();
    const { received } = wire;
    const before = received.length - after.length;
    expect(received.subarray(before).equals(after)).to.equal(true);
    expect(
      received.subarray(0, before).equals(joined(chunks, chunks[0]!).subarray(0, before)),
    ).to.equal(true);
    expect(before % 188).to.equal(0);
    expect({ own: client.skips, told: wire.skips }).to.deep.equal({ own: 1, told: 1 });
    expect(continuityFaults(received)).to.deep.equal([]);
  });

  it('is a ghost when its socket took nothing for that long, whatever the ring does', async () => {
    const maker = new ChunkMaker({ packets: 5_000 });
    const ring = new SyntheticRing(maker.many(25));
    wire.peer.pause();
    const client = wire.client(ring, { ghostMs: 5_000 });
    await client.join();
    await until('the socket is full', () => client.state === ClientState.Blocked);
    for (let seconds = 0; seconds < 5; seconds++) {
      wire.clock.pass(1_000);
      ring.add(maker.next());
      client.pump();
      client.tick(true);
    }
    expect(client.state).to.equal(ClientState.Blocked);
    wire.clock.pass(1);
    client.tick(true);
    expect({ reason: wire.closedFor, destroyed: wire.socket.destroyed }).to.deep.equal({
      reason: 'ghost',
      destroyed: true,
    });
  });

  it('is no ghost as long as its socket takes something now and then', async () => {
    wire.peer.pause();
    const client = wire.client(new SyntheticRing(new ChunkMaker({ packets: 5_000 }).many(40)));
    await client.join();
    for (let turn = 0; turn < 3; turn++) {
      await until('the socket is full', () => client.state === ClientState.Blocked);
      wire.clock.pass(4_900);
      client.tick(true);
      const { length } = wire.received;
      wire.peer.resume();
      // The kernel may enlarge its buffer and take what waited, before the player has taken anything.
      do await once(wire.socket, 'drain');
      while (wire.received.length === length);
      wire.peer.pause();
    }
    expect(wire.closedFor).to.equal(null);
  });

  it('gets fillers from a second of silence on, whole packets, and never before its first PAT', async () => {
    const maker = new ChunkMaker();
    const ring = new SyntheticRing();
    const client = wire.client(ring);
    await client.join();
    wire.clock.pass(5_000);
    client.tick(true);
    ring.add(maker.next());
    client.pump();
    const media = (await wire.untilReceived(188)).length;
    wire.clock.pass(999);
    client.tick(true);
    wire.clock.pass(1);
    client.tick(false);
    await wire.quiet();
    expect(wire.received.length).to.equal(media);
    expect(wire.received.readUInt16BE(1) & 0x1fff).to.equal(0);
    client.tick(true);
    client.tick(true);
    const received = await wire.untilReceived(media + 2 * 7 * 188);
    for (let at = media; at < received.length; at += 188) {
      expect(received.readUInt32BE(at)).to.equal(NULL_HEADER);
    }
    const next = maker.next();
    ring.add(next);
    client.pump();
    const all = await wire.untilReceived(received.length + next.bytes.length);
    expect(all.subarray(received.length).equals(next.bytes)).to.equal(true);
  });

  it('gets fillers also while it waits for a chunk of a Redis that does not answer', async () => {
    const maker = new ChunkMaker();
    const ring = new SyntheticRing(maker.many(1));
    const client = wire.client(ring);
    await client.join();
    await wire.quiet();
    const media = wire.received.length;
    const next = maker.next();
    ring.stored.add(next.index);
    ring.hold();
    ring.add(next);
    client.pump();
    expect(client.state).to.equal(ClientState.Loading);
    wire.clock.pass(1_000);
    client.tick(true);
    const received = await wire.untilReceived(media + 7 * 188);
    expect(received.readUInt32BE(media)).to.equal(NULL_HEADER);
    ring.release();
    const all = await wire.untilReceived(received.length + next.bytes.length);
    expect(all.subarray(received.length).equals(next.bytes)).to.equal(true);
  });

  it('gets no fillers into a socket that is full', async () => {
    wire.peer.pause();
    const client = wire.client(new SyntheticRing(new ChunkMaker({ packets: 5_000 }).many(25)));
    await client.join();
    await until('the socket is full', () => client.state === ClientState.Blocked);
    const { writableLength } = wire.socket;
    wire.clock.pass(2_000);
    client.tick(true);
    expect(wire.socket.writableLength).to.equal(writableLength);
  });

  it('writes nothing that was loaded after its end', async () => {
    const ring = new SyntheticRing(new ChunkMaker().many(5));
    for (let index = 1; index <= 5; index++) ring.stored.add(index);
    ring.hold();
    const client = wire.client(ring);
    const joining = client.join();
    client.close('kicked');
    ring.release();
    await joining;
    await until('the player sees the end', () => wire.peer.readableEnded);
    expect(wire.received.length).to.equal(0);
    expect(wire.closedFor).to.equal('kicked');
  });

  it('says once that it is closed, also when the player left first', async () => {
    const reasons: string[] = [];
    const client = wire.client(new SyntheticRing(new ChunkMaker().many(2)), {
      onClosed: (_client, reason) => reasons.push(reason),
    });
    await client.join();
    wire.peer.destroy();
    await until('the close is seen', () => reasons.length > 0);
    client.close('stopped');
    client.pump();
    expect(reasons).to.deep.equal(['left']);
  });
});
