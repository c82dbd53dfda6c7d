import type { Worker } from 'node:cluster';
import { EventEmitter } from 'node:events';
import { Socket } from 'node:net';

import { expect } from 'chai';

import type { StreamMessage } from '../../../src/primary/stream-router.js';
import { WorkerHandle, WorkerState } from '../../../src/primary/worker-handle.js';
import type { WorkerExit } from '../../../src/primary/worker-handle.js';
import type { StreamId, WorkerId } from '../../../src/shared/ids.js';
import type { PrimaryMessage } from '../../../src/shared/ipc/messages.js';
import { silentLogger } from '../../helpers/silent-logger.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { testSettings } from '../../helpers/settings.js';

const VITALS = { clients: 0, streams: 0, eventLoopLagMs: 0, rssBytes: 0 };

/** What the handle uses of node:cluster's worker. */
class FakeProcess extends EventEmitter {
  readonly sent: PrimaryMessage[] = [];
  /** Sockets that were sent, with what is to be called when they are. */
  readonly carried: [Socket, () => void][] = [];
  readonly process = {
    connected: true,
    killed: [] as string[],
    kill(signal: string): boolean {
      return this.killed.push(signal) > 0;
    },
  };

  send(message: PrimaryMessage, socket: unknown, _options: unknown, done: () => void): boolean {
    if (socket instanceof Socket) this.carried.push([socket, done]);
    return this.sent.push(message) > 0;
  }
}

describe('WorkerHandle', () => {
  let clock: FakeClock;
  let fake: FakeProcess;
  let handle: WorkerHandle;
  let exits: WorkerExit[];
  let closedConnections: number;
  let streams: [StreamMessage, Socket | null][];

  let sight: { stopped: boolean; cpuMs: number; waitedMs: number };
  beforeEach(() => {
    sight = { stopped: false, cpuMs: 5_000, waitedMs: 700 };
    clock = new FakeClock();
    fake = new FakeProcess();
    exits = [];
    closedConnections = 0;
    streams = [];
    handle = new WorkerHandle(
      {
        slot: 0,
        generation: 0,
        restarts: 0,
        settings: testSettings(),
        apiKey: 'k',
        apiKeyConfigured: true,
      },
      {
        worker: fake as unknown as Worker,
        pid: 77,
        clock,
        log: silentLogger,
        look: () => ({ ...sight }),
        events: {
          onServing: () => undefined,
          onConnection: () => (closedConnections += 1),
          onMetrics: () => undefined,
          onStream: (_handle, message, socket) => streams.push([message, socket]),
          onDead: (_handle, exit) => exits.push(exit),
        },
      },
    );
  });
  afterEach(() => clock.restore());

  function say(...types: string[]): void {
    for (const type of types) fake.emit('message', { type, vitals: VITALS });
  }

  it('sends the settings once, and only after the worker has said hello', () => {
    expect(fake.sent).to.deep.equal([]);
    say('hello', 'hello');
    expect(fake.sent.map(({ type }) => type)).to.deep.equal(['start']);
    expect(handle.state).to.equal(WorkerState.Starting);
  });

  it('serves when the worker is ready, not before it was started', () => {
    say('ready');
    expect(handle.serving).to.equal(false);
    say('hello', 'ready');
    expect(handle.serving).to.equal(true);
  });

  it('kills a worker that is not ready within half a minute', () => {
    say('hello');
    clock.tick(29_999);
    expect(fake.process.killed).to.deep.equal([]);
    clock.tick(1);
    expect(fake.process.killed).to.deep.equal(['SIGKILL']);
  });

  it('kills a serving worker whose heartbeat is older than 2 s, and spares one that was pardoned', () => {
    say('hello', 'ready');
    clock.tick(1_501);
    expect(handle.stale).to.equal(true);
    clock.tick(499);
    handle.checkHeartbeat();
    clock.jump(10_000);
    handle.pardon(10_000);
    handle.checkHeartbeat();
    expect(fake.process.killed).to.deep.equal([]);
    clock.tick(1);
    handle.checkHeartbeat();
    clock.tick(20);
    expect(fake.process.killed).to.deep.equal(['SIGKILL']);
  });

  it('spares a worker that waited for a processor, up to ten seconds', () => {
    say('hello', 'ready');
    for (let ms = 0; ms < 10_000; ms += 100) {
      handle.checkHeartbeat();
      clock.tick(100);
      sight.waitedMs += 90;
      sight.cpuMs += 9;
    }
    handle.checkHeartbeat();
    clock.tick(1);
    expect(fake.process.killed).to.deep.equal([]);
    handle.checkHeartbeat();
    clock.tick(20);
    expect(fake.process.killed).to.deep.equal(['SIGKILL']);
  });

  it('spares one whose heartbeat had come while the primary was late', () => {
    say('hello', 'ready');
    clock.tick(2_001);
    handle.checkHeartbeat();
    say('heartbeat');
    clock.tick(20);
    expect(fake.process.killed).to.deep.equal([]);
  });

  it('kills a worker that was stopped as soon as a heartbeat is missing', () => {
    sight.stopped = true;
    say('hello', 'ready');
    clock.tick(300);
    handle.checkHeartbeat();
    expect(fake.process.killed).to.deep.equal([]);
    clock.tick(1);
    handle.checkHeartbeat();
    expect(fake.process.killed).to.deep.equal(['SIGKILL']);
  });

  it('kills a worker that burns processor time without a heartbeat, with the second look', () => {
    say('hello', 'ready');
    clock.tick(3_000);
    sight.cpuMs += 1_000;
    say('heartbeat');
    clock.tick(1_100);
    sight.cpuMs += 999;
    handle.checkHeartbeat();
    clock.tick(20);
    expect(fake.process.killed).to.deep.equal([]);
    sight.cpuMs += 1;
    handle.checkHeartbeat();
    clock.tick(19);
    expect(fake.process.killed).to.deep.equal([]);
    clock.tick(1);
    expect(fake.process.killed).to.deep.equal(['SIGKILL']);
  });

  it('spares a busy worker whose heartbeat had come and was not read yet', () => {
    say('hello', 'ready');
    clock.tick(3_000);
    say('heartbeat');
    clock.tick(1_100);
    sight.cpuMs += 1_100;
    handle.checkHeartbeat();
    say('heartbeat');
    clock.tick(20);
    expect(fake.process.killed).to.deep.equal([]);
  });

  it('is fresh again after a heartbeat', () => {
    say('hello', 'ready');
    clock.tick(1_900);
    say('heartbeat');
    clock.tick(1_900);
    handle.checkHeartbeat();
    expect(fake.process.killed).to.deep.equal([]);
    expect(handle.status(3)).to.include({ connections: 3, heartbeatAgeMs: 1_900, vitals: VITALS });
  });

  it('gives a draining worker its time, and a bit less in the message', () => {
    say('hello', 'ready');
    handle.drain(true, 2_000);
    expect(fake.sent.at(-1)).to.deep.equal({ type: 'drain', handover: true, deadlineMs: 1_500 });
    for (let passed = 0; passed < 1_999; passed += 1) {
      clock.tick(1);
      if (passed % 500 === 0) say('heartbeat');
    }
    expect(fake.process.killed).to.deep.equal([]);
    clock.tick(1);
    expect(fake.process.killed).to.deep.equal(['SIGKILL']);
  });

  it('kills at once what has no client yet, and what drained but does not exit after a second', () => {
    say('hello');
    handle.drain(true, 5_000);
    expect(fake.process.killed).to.deep.equal(['SIGKILL']);
    say('drained');
    clock.tick(1_000);
    expect(fake.process.killed).to.have.length(2);
  });

  it('knows what the worker owns', () => {
    const stream = 's' as StreamId;
    fake.emit('message', { type: 'owning', stream, term: 4 });
    expect(handle.owned).to.deep.equal([{ stream, term: 4 }]);
    fake.emit('message', { type: 'released', stream });
    expect(handle.owned).to.deep.equal([]);
  });

  it('owns what it is given, and no more what it hands over', () => {
    const [one, two] = ['s' as StreamId, 't' as StreamId];
    fake.emit('message', { type: 'owning', stream: one, term: 4 });
    fake.emit('message', { type: 'stream-handover', stream: one, term: 5, to: 'w' });
    expect(streams).to.have.length(1);
    expect(handle.owned).to.deep.equal([]);
    handle.giveStream({ stream: two, term: 2 }, 'f' as WorkerId, null);
    expect(handle.owned).to.deep.equal([{ stream: two, term: 2 }]);
    expect(fake.sent.at(-1)).to.deep.equal({
      type: 'stream-adopt',
      stream: two,
      term: 2,
      from: 'f',
    });
  });

  it('closes its copy of a connection it gave once that is sent, or the worker is dead', async () => {
    const [one, two] = [new Socket(), new Socket()];
    for (const socket of [one, two]) {
      handle.giveStream({ stream: 's' as StreamId, term: 2 }, 'f' as WorkerId, socket);
    }
    expect(fake.carried.map(([socket]) => socket)).to.deep.equal([one, two]);
    fake.carried[0]![1]();
    expect([one.destroyed, two.destroyed]).to.deep.equal([true, false]);
    fake.process.connected = false;
    fake.emit('exit', null, 'SIGKILL');
    await new Promise(setImmediate);
    expect(two.destroyed).to.equal(true);
  });

  it('closes a connection that cannot be kept from reading or comes with another message', () => {
    const [one, two] = [new Socket(), new Socket()];
    fake.emit('message', { type: 'stream-handover', stream: 's', term: 5, to: 'w' }, one);
    fake.emit('message', { type: 'released', stream: 's' }, two);
    expect(streams.map(([, socket]) => socket)).to.deep.equal([null]);
    expect([one.destroyed, two.destroyed]).to.deep.equal([true, true]);
  });

  it('hears the last words of a worker before it calls it dead', async () => {
    say('hello', 'ready');
    fake.emit('exit', null, 'SIGKILL');
    clock.tick(50);
    await new Promise(setImmediate);
    expect(exits).to.have.length(0);
    fake.emit('message', { type: 'connection-closed', connection: 1 });
    fake.process.connected = false;
    clock.tick(2);
    expect(closedConnections).to.equal(1);
    await new Promise(setImmediate);
    expect(exits[0]).to.include({ signal: 'SIGKILL', expected: false });
    expect(handle.state).to.equal(WorkerState.Dead);
  });

  it('does not wait for a channel that never closes', async () => {
    fake.emit('exit', 1, null);
    clock.tick(200);
    await new Promise(setImmediate);
    expect(exits).to.have.length(1);
  });

  it('ignores what is not for it', () => {
    fake.emit('message', 'ready');
    fake.emit('message', { type: 'unknown' });
    fake.emit('message', null);
    expect(handle.state).to.equal(WorkerState.Forking);
  });
});
