import { expect } from 'chai';

import type { StreamId } from '../../../src/shared/ids.js';
import { openSockets } from '../../helpers/leaks.js';
import { counterBytes, ToyEngine, ToySink } from '../../helpers/toy-engine.js';
import { ToyTree } from '../../helpers/toy-tree.js';
import { until } from '../../helpers/until.js';

/** 48 Mbit/s by the timer; three streams at once reach about 30 each on two shared cores. */
const FAST = 12_003;
const SLOW = 188;
/** Long enough for a worker to be stopped first. */
const GIVE_MS = 500;

function streamOf(number: number): StreamId {
  return String(number).padStart(40, '0') as StreamId;
}

describe("handover of an engine's connection", () => {
  let toy: ToyTree;
  let engine: ToyEngine;
  let sink: ToySink;

  async function begin(workers: number, bytesPerTick: number): Promise<void> {
    engine = await new ToyEngine(bytesPerTick).start();
    sink = new ToySink();
    const port = await sink.start();
    toy = await ToyTree.start({ workers });
    toy.sink(port);
    await until(
      'all workers serve',
      () => toy.tree.find('a worker serves').length === workers,
      30_000,
    );
  }

  async function own(stream: StreamId): Promise<number> {
    const { body } = await toy.get(`/engine?stream=${stream}&port=${String(engine.port)}`);
    await until('bytes come', () => sink.of(stream).some(({ bytes }) => bytes.length > 0));
    return Number(body);
  }

  /** Asks until the one that owns the stream is asked. */
  async function give(stream: StreamId, to: string): Promise<void> {
    const path = `/give?stream=${stream}&to=${encodeURIComponent(to)}&in=${String(GIVE_MS)}`;
    while ((await toy.get(path)).body !== 'yes');
  }

  afterEach(async () => {
    await toy.end();
    await engine.close();
    await sink.close();
  });

  for (const workers of [1, 2]) {
    it(`loses and repeats no byte in four reloads of ${String(workers)} worker(s)`, async () => {
      await begin(workers, FAST);
      const resting = openSockets(toy.tree.pid);
      const streams = [streamOf(1), streamOf(2), streamOf(3)];
      for (const stream of streams) await own(stream);
      for (let reload = 1; reload <= 4; reload += 1) {
        toy.tree.signal('SIGHUP');
        await until('reloaded', () => toy.tree.find('reloaded').length === reload, 30_000);
        const last = streams.map((stream) => sink.of(stream).at(-1)!.bytes.length);
        await until('all go on', () =>
          streams.every((stream, at) => sink.of(stream).at(-1)!.bytes.length > last[at]!),
        );
      }
      expect(engine.open).to.equal(3);
      engine.stop();
      await until('all ends', () => sink.segments.every(({ ended }) => ended));
      expect(engine.sockets).to.have.length(3);
      for (const [at, stream] of streams.entries()) {
        const segments = sink.of(stream);
        expect(segments.map(({ term }) => term)).to.deep.equal([1, 2, 3, 4, 5]);
        expect(new Set(segments.map(({ pid }) => pid)).size).to.equal(5);
        const bytes = Buffer.concat(segments.map((segment) => segment.bytes));
        expect(bytes.length).to.equal(engine.sent[at]);
        expect(bytes.equals(counterBytes(0, bytes.length))).to.equal(true);
      }
      await until('the primary holds none of them', () => openSockets(toy.tree.pid) <= resting);
    });
  }

  it('keeps all streams when there are fewer workers afterwards', async () => {
    await begin(3, SLOW);
    const streams = [1, 2, 3, 4].map(streamOf);
    const owners = new Map<number, StreamId[]>();
    for (const stream of streams) {
      const pid = await own(stream);
      owners.set(pid, [...(owners.get(pid) ?? []), stream]);
    }
    toy.settings({ workers: 1 });
    toy.tree.signal('SIGHUP');
    await until('two workers left', () => toy.tree.find('a worker is gone').length === 3, 30_000);
    await until('all go on', () => streams.every((stream) => sink.of(stream).length > 1));
    expect(engine.open).to.equal(4);
  });

  it('closes the connection, and frees the stream, when the worker that gets it is gone', async () => {
    await begin(1, SLOW);
    await own(streamOf(1));
    await give(streamOf(1), 'host:1:gone');
    await until('the engine sees it', () => engine.open === 0);
    const { worker, owned } = await toy.tree.line('reaped');
    expect([worker, owned]).to.deep.equal(['host:1:gone', [{ stream: streamOf(1), term: 2 }]]);
  });

  it('closes all connections that a dead worker had not taken, and frees the streams', async () => {
    await begin(2, SLOW);
    const pids = new Set<number>();
    const byPid = new Map<number, StreamId[]>();
    for (let number = 1; number <= 6; number += 1) {
      const pid = await own(streamOf(number));
      pids.add(pid);
      byPid.set(pid, [...(byPid.get(pid) ?? []), streamOf(number)]);
    }
    expect(engine.open).to.equal(6);
    expect([...pids]).to.have.length(2);
    const [giver, taker] = [...pids] as [number, number];
    const statuses = await toy.statuses();
    const to = statuses.find(({ pid }) => pid === taker)!.worker;
    const given = byPid.get(giver)!;
    for (const stream of given) await give(stream, to);
    await toy.block(taker, 1_900);
    await until(
      'all are on their way',
      () => toy.tree.find('a stream moves').length === given.length,
    );
    process.kill(taker, 'SIGKILL');
    await until('the engine sees all closed', () => engine.open === 0);
    const { owned } = await toy.tree.line('reaped');
    expect((owned as { stream: string }[]).map(({ stream }) => stream).sort()).to.deep.equal(
      [1, 2, 3, 4, 5, 6].map(streamOf),
    );
  });
});
