import { Socket } from 'node:net';

import { expect } from 'chai';

import type { OwnedStream } from '../../../src/primary/reaper.js';
import { StreamRouter } from '../../../src/primary/stream-router.js';
import type { StreamTaker } from '../../../src/primary/stream-router.js';
import type { StreamId, WorkerId } from '../../../src/shared/ids.js';
import type { PrimaryMessage } from '../../../src/shared/ipc/messages.js';
import { silentLogger } from '../../helpers/silent-logger.js';

const STREAM = 'ab'.repeat(20) as StreamId;

class FakeWorker implements StreamTaker {
  readonly pid: number;
  readonly id: WorkerId;
  readonly generation: number;
  stale = false;
  owned: OwnedStream[] = [];
  readonly sent: PrimaryMessage[] = [];
  readonly given: [OwnedStream, WorkerId, Socket | null][] = [];

  constructor(pid: number, generation = 1) {
    this.pid = pid;
    this.id = `host:${pid}:n` as WorkerId;
    this.generation = generation;
  }

  send(message: PrimaryMessage): void {
    this.sent.push(message);
  }

  giveStream(stream: OwnedStream, from: WorkerId, socket: Socket | null): void {
    this.given.push([stream, from, socket]);
  }
}

describe('StreamRouter', () => {
  const leaver = new FakeWorker(1, 0);
  let serving: FakeWorker[];
  let orphans: [WorkerId, OwnedStream][];
  let router: StreamRouter;

  beforeEach(() => {
    leaver.sent.length = 0;
    serving = [];
    orphans = [];
    router = new StreamRouter({
      serving: () => serving,
      onOrphan: (worker, stream) => orphans.push([worker, stream]),
      log: silentLogger,
    });
  });

  /** Process ids that are named for so many streams. */
  function targets(count: number): (number | undefined)[] {
    return Array.from({ length: count }, () => {
      router.receive(leaver, { type: 'stream-target', stream: STREAM }, null);
      const answer = leaver.sent.at(-1);
      if (answer?.type !== 'stream-target') throw new Error('no answer');
      expect(answer.stream).to.equal(STREAM);
      return serving.find(({ id }) => id === answer.worker)?.pid;
    });
  }

  function handover(to: WorkerId, socket: Socket | null): void {
    router.receive(leaver, { type: 'stream-handover', stream: STREAM, term: 4, to }, socket);
  }

  it('tells the worker that was named when the one that hands over dies before it has', () => {
    const taker = new FakeWorker(2);
    serving = [taker];
    leaver.owned = [{ stream: STREAM, term: 4 }];
    targets(1);
    router.forget(leaver.pid);
    expect(taker.sent).to.deep.equal([
      { type: 'stream-adopt', stream: STREAM, term: 4, from: leaver.id },
    ]);
  });

  it('has nothing to tell when the stream had been handed over', () => {
    const taker = new FakeWorker(2);
    serving = [taker];
    targets(1);
    handover(taker.id, null);
    router.forget(leaver.pid);
    expect(taker.sent).to.deep.equal([]);
  });

  it('names workers of the newest generation in turn', () => {
    serving = [new FakeWorker(2, 0), new FakeWorker(3), new FakeWorker(4), leaver];
    expect(targets(4)).to.deep.equal([3, 4, 3, 4]);
    router.forget(3);
    expect(targets(1)).to.deep.equal([3]);
  });

  it('names the one that owns the fewest streams', () => {
    serving = [new FakeWorker(3), new FakeWorker(4)];
    serving[0]!.owned = [{ stream: STREAM, term: 1 }];
    expect(targets(3)).to.deep.equal([4, 4, 4]);
  });

  it('names an older one when there is no other, and none when all hang or none is left', () => {
    serving = [new FakeWorker(2, 0), leaver];
    expect(targets(1)).to.deep.equal([2]);
    serving[0]!.stale = true;
    expect(targets(1)).to.deep.equal([undefined]);
    serving = [leaver];
    expect(targets(1)).to.deep.equal([undefined]);
  });

  it('passes the connection to the worker that is named in the handover', () => {
    serving = [new FakeWorker(3), new FakeWorker(4)];
    const socket = new Socket();
    handover(serving[1]!.id, socket);
    expect(serving[0]!.given).to.deep.equal([]);
    expect(serving[1]!.given).to.deep.equal([[{ stream: STREAM, term: 4 }, leaver.id, socket]]);
    expect([socket.destroyed, orphans]).to.deep.equal([false, []]);
  });

  it('passes a stream on whose connection was lost on the way', () => {
    serving = [new FakeWorker(3)];
    handover(serving[0]!.id, null);
    expect(serving[0]!.given).to.deep.equal([[{ stream: STREAM, term: 4 }, leaver.id, null]]);
  });

  it('closes the connection and frees the stream when that worker is gone', () => {
    serving = [new FakeWorker(3)];
    const socket = new Socket();
    handover('host:9:n' as WorkerId, socket);
    expect(serving[0]!.given).to.deep.equal([]);
    expect(socket.destroyed).to.equal(true);
    expect(orphans).to.deep.equal([['host:9:n', { stream: STREAM, term: 4 }]]);
  });
});
