import { expect } from 'chai';
import fc from 'fast-check';
import { joinHead, spliceHead } from '../../../src/shared/mpegts/splice.js';
import type { PlayingSession } from '../../../src/shared/ipc/messages.js';
import type { Chunk } from '../../../src/worker/contracts.js';
import { ClientState } from '../../../src/worker/client/client-session.js';
import { IDENTITY, Wire } from '../../helpers/client-wire.js';
import { ChunkMaker, SyntheticRing, TABLES } from '../../helpers/synthetic-ring.js';
import { continuityFaults } from '../../helpers/ts-packets.js';
import { until } from '../../helpers/until.js';

const bytesOf = (chunks: readonly Chunk[]): Buffer =>
  Buffer.concat(chunks.map(({ bytes }) => bytes));
const fromJoin = (chunks: readonly Chunk[]): Buffer =>
  Buffer.concat([joinHead(TABLES, chunks[0]!.bytes, 188), bytesOf(chunks).subarray(188)]);

function session(position: PlayingSession['position']): PlayingSession {
  return { ...IDENTITY, bytesSent: 1_000, chunksSent: 3, position };
}

describe('a client session that moves', () => {
  let wire: Wire;
  const wires: Wire[] = [];
  beforeEach(async () => {
    wire = await Wire.open();
    wires.push(wire);
  });
  afterEach(() => {
    for (const one of wires.splice(0)) one.end();
  });

  it('lets go at a packet boundary with nothing queued, and another goes on byte for byte', async () => {
    const plan = fc.record({
      packets: fc.integer({ min: 15, max: 4_000 }),
      rest: fc.nat(30),
      stored: fc.uniqueArray(fc.integer({ min: 1, max: 30 })),
    });
    await fc.assert(
      fc.asyncProperty(plan, async ({ packets, rest, stored }) => {
        const own = await Wire.open();
        const chunks = new ChunkMaker({ packets, stepMs: 1 }).many(30);
        const here = new SyntheticRing(chunks.slice(0, 30 - rest));
        const there = new SyntheticRing(chunks);
        for (const index of stored) there.stored.add(index);
        if (rest < 30) {
          own.peer.pause();
          const first = own.client(here);
          const joining = first.join();
          const detaching = joining.then(() => first.detach(10_000));
          own.peer.resume();
          const playing = await detaching;
          expect(playing).to.not.equal(null);
          expect(own.socket.writableLength).to.equal(0);
          expect(playing!.position!.offset % 188).to.equal(0);
          expect(playing!.bytesSent % 188).to.equal(0);
          own.client(there).resume(playing!, false);
        } else {
          await own.client(there).join();
        }
        const expected = fromJoin(chunks);
        const received = await own.untilReceived(expected.length);
        own.end();
        expect(received.equals(expected)).to.equal(true);
      }),
      { numRuns: 12 },
    );
  });

  it('waits in its new worker until the chunk it needs is known there', async () => {
    const chunks = new ChunkMaker().many(6);
    const ring = new SyntheticRing();
    const client = wire.client(ring);
    client.resume(session({ term: 1, index: 4, offset: 376 }), false);
    expect(client.state).to.equal(ClientState.AtHead);
    for (const chunk of chunks) ring.add(chunk);
    client.pump();
    const expected = bytesOf(chunks.slice(3)).subarray(376);
    expect((await wire.untilReceived(expected.length)).equals(expected)).to.equal(true);
    expect(client.bytesSent).to.equal(1_000 + expected.length);
  });

  it('does not wait for ever for a number that a new ring will not reach', async () => {
    const chunks = new ChunkMaker().many(3);
    const client = wire.client(new SyntheticRing(chunks));
    client.resume(session({ term: 1, index: 900, offset: 0 }), false);
    client.tick(true);
    expect(client.state).to.equal(ClientState.AtHead);
    wire.clock.pass(1_000);
    client.tick(false);
    const { head, from } = spliceHead(TABLES, chunks[0]!.bytes, 188);
    const expected = Buffer.concat([head, bytesOf(chunks).subarray(from)]);
    expect((await wire.untilReceived(expected.length)).equals(expected)).to.equal(true);
  });

  it('begins a new packet with a marked keyframe after a death that may have cut one', async () => {
    const chunks = new ChunkMaker().many(25);
    const client = wire.client(new SyntheticRing(chunks));
    client.resume(session({ term: 1, index: 4, offset: 188 }), true);
    // Not before what the player surely had: the first keyframe behind chunk 4 is in chunk 11.
    const { head, from } = spliceHead(TABLES, chunks[10]!.bytes, 188);
    const expected = Buffer.concat([head, bytesOf(chunks.slice(10)).subarray(from)]);
    const received = await wire.untilReceived(expected.length);
    expect(received.equals(expected)).to.equal(true);
    expect(continuityFaults(Buffer.concat([bytesOf(chunks.slice(0, 4)), received]))).to.deep.equal(
      [],
    );
  });

  it('has no place to hand on while one is being looked for', async () => {
    const chunks = new ChunkMaker().many(25);
    const ring = new SyntheticRing(chunks);
    for (let index = 1; index <= 25; index++) ring.stored.add(index);
    ring.hold();
    const client = wire.client(ring);
    client.resume(session({ term: 1, index: 4, offset: 0 }), true);
    await until('a chunk is asked for', () => ring.loads.length > 0);
    expect(client.position).to.equal(null);
    const playing = await client.detach(1_000);
    expect(playing?.position).to.equal(null);
    ring.release();
    await wire.quiet();
    expect(wire.received.length).to.equal(0);
  });

  it('gives up a player that does not take its bytes in time', async () => {
    wire.peer.pause();
    const client = wire.client(new SyntheticRing(new ChunkMaker({ packets: 5_000 }).many(25)));
    await client.join();
    await until('the socket is full', () => client.state === ClientState.Blocked);
    expect(await client.detach(30)).to.equal(null);
    expect(wire.socket.destroyed).to.equal(true);
  });

  describe('when the ring begins a new life', () => {
    let maker: ChunkMaker;
    let ring: SyntheticRing;
    let fresh: Chunk[];
    beforeEach(() => {
      maker = new ChunkMaker();
      ring = new SyntheticRing(maker.many(25));
    });
    const beginAnew = (): void => {
      ring.reset();
      maker.newLife();
      fresh = maker.many(3);
      for (const chunk of fresh) ring.add(chunk);
    };
    const expectFresh = async (before: number): Promise<void> => {
      const { head, from } = spliceHead(TABLES, fresh[0]!.bytes, 188);
      const expected = Buffer.concat([head, bytesOf(fresh).subarray(from)]);
      const received = await wire.untilReceived(before + expected.length);
      expect(received.subarray(before).equals(expected)).to.equal(true);
    };

    it('goes on there from the head', async () => {
      const client = wire.client(ring);
      await client.join();
      const { length } = await wire.untilReceived(client.bytesSent);
      beginAnew();
      client.pump();
      await expectFresh(length);
    });

    it('goes on there when its old place was just being loaded', async () => {
      const client = wire.client(ring);
      ring.stored.add(12);
      ring.hold();
      client.resume(session({ term: 1, index: 12, offset: 0 }), false);
      expect(client.state).to.equal(ClientState.Loading);
      beginAnew();
      client.pump();
      ring.release();
      await expectFresh(0);
    });

    it('goes on there when it was looking for a place in the old one', async () => {
      const client = wire.client(ring);
      client.resume(session({ term: 1, index: 24, offset: 0 }), true);
      expect(client.state).to.equal(ClientState.Seeking);
      beginAnew();
      client.pump();
      await expectFresh(0);
    });
  });
});
