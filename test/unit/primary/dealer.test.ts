import { createServer, connect } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

import { expect } from 'chai';

import { Dealer } from '../../../src/primary/dealer.js';
import type { DealTarget } from '../../../src/primary/dealer.js';
import { systemClock } from '../../../src/shared/clock.js';
import type { ClientId, StreamId } from '../../../src/shared/ids.js';
import type { PlayingSession, PrimaryMessage } from '../../../src/shared/ipc/messages.js';
import { silentLogger } from '../../helpers/silent-logger.js';
import { until } from '../../helpers/until.js';

const EPIPE = Object.assign(new Error('write EPIPE'), { code: 'EPIPE' });

class FakeWorker implements DealTarget {
  readonly pid: number;
  readonly generation: number;
  stale = false;
  lastDeal = 0;
  readonly sent: PrimaryMessage[] = [];
  readonly failures: ((error: Error) => void)[] = [];
  broken = false;

  constructor(pid: number, generation = 0) {
    this.pid = pid;
    this.generation = generation;
  }

  send(message: PrimaryMessage, _socket: Socket, onFailed: (error: Error) => void): void {
    this.sent.push(message);
    this.failures.push(onFailed);
    if (this.broken) process.nextTick(onFailed, EPIPE);
  }
}

function session(position: number): PlayingSession {
  return {
    stream: 's' as StreamId,
    keyType: 'id',
    client: 'c' as ClientId,
    ip: '',
    userAgent: '',
    connectedAt: 0,
    bytesSent: 0,
    chunksSent: 0,
    position: { term: 1, index: position, offset: 0 },
  };
}

describe('Dealer', () => {
  let server: Server;
  let dealer: Dealer;
  let workers: FakeWorker[];
  let clients: Socket[];

  beforeEach(async () => {
    workers = [new FakeWorker(1), new FakeWorker(2)];
    clients = [];
    dealer = new Dealer({
      serving: () => workers,
      clock: systemClock,
      log: silentLogger,
    });
    server = createServer({ pauseOnConnect: true }, (socket) => dealer.accept(socket));
    server.listen(0, '127.0.0.1');
    await until('it listens', () => server.listening);
  });
  afterEach(async () => {
    dealer.close();
    for (const client of clients) client.destroy();
    server.close();
    await until('nothing is open', () => !server.listening && dealer.open === 0);
  });

  async function accept(): Promise<{ client: Socket; ended: () => boolean; text: () => string }> {
    const open = dealer.open;
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    clients.push(client);
    let ended = false;
    let text = '';
    client.on('end', () => (ended = true));
    client.on('data', (part: Buffer) => (text += part.toString()));
    await until('it is accepted', () => dealer.open > open || text !== '');
    return { client, ended: () => ended, text: () => text };
  }

  function last(worker: FakeWorker): PrimaryMessage | undefined {
    return worker.sent.at(-1);
  }

  it('deals to another worker when the channel to the first one is broken', async () => {
    workers[0]!.broken = true;
    await accept();
    await until('the second has it', () => workers[1]!.sent.length === 1);
    expect(last(workers[1]!)).to.deep.equal({ type: 'connection', connection: 1 });
    expect([dealer.count(1), dealer.count(2)]).to.deep.equal([0, 1]);
  });

  it('does not deal twice when the failure is told after the death was seen', async () => {
    await accept();
    const [one] = workers.splice(0, 1);
    dealer.rescue(1);
    one!.failures[0]?.(EPIPE);
    expect(workers[0]!.sent).to.have.length(1);
  });

  it('asks a sibling again for a request, with the request', async () => {
    await accept();
    const request = { method: 'GET', url: '/x', headers: {} };
    dealer.receive(1, { type: 'connection-request', connection: 1, request });
    workers.shift();
    dealer.rescue(1);
    expect(last(workers[0]!)).to.deep.equal({ type: 'replay', connection: 1, request });
  });

  it('asks no more for a request that three workers have died of', async () => {
    await accept();
    const request = { method: 'GET', url: '/x', headers: {} };
    const seen: string[][] = [];
    for (const pid of [1, 2, 3, 4]) {
      dealer.receive(pid, { type: 'connection-request', connection: 1, request });
      workers.splice(0, 2, new FakeWorker(pid + 1));
      dealer.rescue(pid);
      seen.push(workers[0]!.sent.map(({ type }) => type));
    }
    expect(seen).to.deep.equal([['replay'], ['replay'], [], []]);
    expect(dealer.open).to.equal(0);
  });

  it('asks no more workers than three to take a connection that none has a descriptor for', async () => {
    const { text, ended } = await accept();
    for (const pid of [1, 2, 1, 2]) dealer.receive(pid, { type: 'not-received', connection: 1 });
    expect(workers.map(({ sent }) => sent.length)).to.deep.equal([2, 1]);
    await until('it is refused', () => ended());
    expect(text())
      .to.match(/^HTTP\/1\.1 503 /)
      .and.to.include('NO_WORKER');
    expect(dealer.open).to.equal(0);
  });

  it('lets a sibling adopt a player at its last report, torn', async () => {
    await accept();
    dealer.receive(1, { type: 'connection-playing', connection: 1, session: session(1) });
    dealer.receive(1, { type: 'positions', positions: [[1, session(9).position!]] });
    workers.shift();
    dealer.rescue(1);
    expect(last(workers[0]!)).to.deep.equal({
      type: 'adopt',
      connection: 1,
      session: session(9),
      torn: true,
    });
  });

  it('hands a player over whole, to the newest generation', async () => {
    await accept();
    const [old] = workers;
    workers = [new FakeWorker(2), new FakeWorker(3, 1)];
    workers[1]!.lastDeal = 99;
    dealer.receive(old!.pid, { type: 'handover', connection: 1, session: session(5) });
    expect(last(workers[1]!)).to.deep.equal({
      type: 'adopt',
      connection: 1,
      session: session(5),
      torn: false,
    });
    expect(workers[0]!.sent).to.deep.equal([]);
  });

  it('ends with FIN what was half answered, and what its worker closed', async () => {
    const [half, closed] = [await accept(), await accept()];
    dealer.receive(1, { type: 'connection-answered', connection: 1 });
    dealer.receive(2, { type: 'connection-closed', connection: 2 });
    dealer.rescue(1);
    await until('both end', () => half.ended() && closed.ended());
    expect(dealer.open).to.equal(0);
  });

  it('does not believe a worker about a connection that it has no longer', async () => {
    await accept();
    const [one] = workers.splice(0, 1);
    dealer.rescue(one!.pid);
    dealer.receive(1, { type: 'connection-closed', connection: 1 });
    dealer.receive(1, { type: 'connection-answered', connection: 1 });
    expect(dealer.count(2)).to.equal(1);
    workers = [new FakeWorker(3)];
    dealer.rescue(2);
    expect(last(workers[0]!)?.type).to.equal('connection');
  });

  it('holds what comes while no worker serves, and flushes it to the first', async () => {
    const { text } = await (async () => {
      workers = [];
      return accept();
    })();
    workers = [new FakeWorker(5)];
    dealer.flush();
    expect(last(workers[0]!)).to.deep.equal({ type: 'connection', connection: 1 });
    expect(text()).to.equal('');
  });

  it('refuses new and waiting connections while shutting down', async () => {
    workers = [];
    const waiting = await accept();
    dealer.stop('SHUTTING_DOWN');
    await until('it is refused', () => waiting.ended());
    expect(waiting.text()).to.match(/^HTTP\/1\.1 503 [^]*"code":"SHUTTING_DOWN"/);
    const late = await accept();
    await until('the late one too', () => late.ended());
    expect(late.text()).to.contain('Retry-After: 5');
  });
});
