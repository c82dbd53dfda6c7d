import { EventEmitter } from 'node:events';
import { Socket } from 'node:net';

import { expect } from 'chai';

import type { WorkerMessage } from '../../../src/shared/ipc/messages.js';
import { PrimaryLink } from '../../../src/worker/lifecycle/primary-link.js';
import { FakeClock } from '../../helpers/fake-clock.js';

class FakeChannel extends EventEmitter {
  readonly sent: WorkerMessage[] = [];
  readonly carried: Socket[] = [];
  /** Callbacks of what the primary has not read yet. */
  readonly unread: ((error: Error | null) => void)[] = [];
  reads = true;

  send(
    message: unknown,
    handle: Socket | undefined,
    _options: undefined,
    callback: (error: Error | null) => void,
  ): boolean {
    this.sent.push(message as WorkerMessage);
    if (handle !== undefined) this.carried.push(handle);
    if (this.reads) callback(null);
    else this.unread.push(callback);
    return this.reads;
  }
}

describe('PrimaryLink', () => {
  let clock: FakeClock;
  let channel: FakeChannel;
  let link: PrimaryLink;

  beforeEach(() => {
    clock = new FakeClock();
    channel = new FakeChannel();
    link = new PrimaryLink({ clock, channel });
  });
  afterEach(() => {
    link.close();
    clock.restore();
    expect(channel.listenerCount('message')).to.equal(0);
    expect(channel.listenerCount('internalMessage')).to.equal(0);
  });

  it('says hello first, then beats four times a second with what it is told to report', () => {
    link.open();
    link.reportWorkload(() => ({ clients: 3, streams: 2 }));
    clock.tick(1_000);
    expect(channel.sent.map(({ type }) => type)).to.deep.equal([
      'hello',
      ...Array<string>(4).fill('heartbeat'),
    ]);
    const [, beat] = channel.sent;
    if (beat?.type !== 'heartbeat') throw new Error('no heartbeat');
    expect(beat.vitals).to.include({ clients: 3, streams: 2 });
    expect(beat.vitals.rssBytes).to.be.greaterThan(0);
    expect(beat.vitals.eventLoopLagMs).to.be.at.least(0);
  });

  it('beats on where the system has no descriptor left to read its memory with', () => {
    const usage = process.memoryUsage as { rss: () => number };
    const before = usage.rss;
    link.open();
    clock.tick(250);
    const [, first] = channel.sent;
    usage.rss = () => {
      throw Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE' });
    };
    try {
      clock.tick(250);
    } finally {
      usage.rss = before;
    }
    const [, , second] = channel.sent;
    if (first?.type !== 'heartbeat' || second?.type !== 'heartbeat')
      throw new Error('no heartbeat');
    expect(second.vitals.rssBytes).to.equal(first.vitals.rssBytes);
  });

  it('does not pile up heartbeats before a primary that does not read', () => {
    link.open();
    channel.reads = false;
    clock.tick(5_000);
    expect(channel.sent.filter(({ type }) => type === 'heartbeat')).to.have.length(1);
    channel.reads = true;
    for (const done of channel.unread) done(null);
    clock.tick(250);
    expect(channel.sent.filter(({ type }) => type === 'heartbeat')).to.have.length(2);
  });

  it('beats also behind a message that the primary has not read yet', () => {
    link.open();
    channel.reads = false;
    link.sendDroppable({ type: 'positions', positions: [] });
    clock.tick(250);
    expect(channel.sent.map(({ type }) => type)).to.deep.equal(['hello', 'positions', 'heartbeat']);
    link.sendDroppable({ type: 'positions', positions: [] });
    expect(channel.sent).to.have.length(3);
  });

  it('survives a channel that is closed', async () => {
    link.open();
    channel.reads = false;
    const delivered = link.deliver({ type: 'drained' });
    channel.unread.at(-1)?.(new Error('EPIPE'));
    await delivered;
  });

  it('sends a connection away, and closes it when the channel is closed', async () => {
    link.open();
    const message = { type: 'stream-handover', stream: 's', term: 1, to: 'w' } as WorkerMessage;
    const [one, two] = [new Socket(), new Socket()];
    expect(await link.sendSocket(message, one)).to.equal(true);
    expect(channel.sent.at(-1)).to.equal(message);
    channel.reads = false;
    const sent = link.sendSocket(message, two);
    channel.unread.at(-1)?.(new Error('ERR_IPC_CHANNEL_CLOSED'));
    expect(await sent).to.equal(false);
    expect(channel.carried).to.deep.equal([one, two]);
    expect([one.destroyed, two.destroyed]).to.deep.equal([false, true]);
  });

  it('gives each message to the handler of its type, with its socket or null', () => {
    const seen: unknown[] = [];
    link.on('connection', ({ connection }, socket) => seen.push([connection, socket]));
    link.on('drain', ({ handover }) => seen.push(handover));
    link.open();
    channel.emit('message', { type: 'connection', connection: 4 }, undefined);
    channel.emit('message', { type: 'drain', handover: true, deadlineMs: 1 });
    channel.emit('message', { type: 'replay', connection: 5 });
    channel.emit('message', { type: 'process:msg' });
    channel.emit('message', null);
    expect(seen).to.deep.equal([[4, null], true]);
  });

  it('tells of a connection that the system had no descriptor for, and takes a stream without it', () => {
    const seen: unknown[] = [];
    link.on('connection', () => seen.push('connection'));
    link.on('stream-adopt', ({ term }, socket) => seen.push([term, socket]));
    link.open();
    const carried = (msg: object): object => ({ cmd: 'NODE_HANDLE', type: 'net.Socket', msg });
    channel.emit('internalMessage', carried({ type: 'connection', connection: 4 }), null);
    channel.emit('internalMessage', carried({ type: 'stream-adopt', term: 7 }), null);
    channel.emit('internalMessage', carried({ type: 'connection', connection: 5 }), {});
    channel.emit('internalMessage', { cmd: 'NODE_HANDLE_ACK' }, undefined);
    channel.emit('internalMessage', carried({ type: 'somebody-elses' }), undefined);
    expect(seen).to.deep.equal([[7, null]]);
    expect(channel.sent).to.deep.equal([
      { type: 'hello' },
      { type: 'not-received', connection: 4 },
    ]);
  });

  it('says what to do when nobody started it', () => {
    const orphan = new PrimaryLink({ clock, channel: new EventEmitter() });
    expect(() => orphan.open()).to.throw('run the primary instead');
  });
});
