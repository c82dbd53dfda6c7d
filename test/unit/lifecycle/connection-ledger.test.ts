import { createServer as createHttpServer } from 'node:http';
import type { IncomingMessage, Server as HttpServer } from 'node:http';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

import { expect } from 'chai';

import { systemClock } from '../../../src/shared/clock.js';
import type { ClientId, StreamId } from '../../../src/shared/ids.js';
import type { PlayingSession, WorkerMessage } from '../../../src/shared/ipc/messages.js';
import { ConnectionLedger } from '../../../src/worker/lifecycle/connection-ledger.js';
import { replayRequest, requestHead } from '../../../src/worker/lifecycle/replay.js';
import { until } from '../../helpers/until.js';

const SESSION: PlayingSession = {
  stream: 's' as StreamId,
  keyType: 'id',
  client: 'c' as ClientId,
  ip: '',
  userAgent: '',
  connectedAt: 0,
  bytesSent: 0,
  chunksSent: 0,
  position: { term: 1, index: 2, offset: 3 },
};

describe('ConnectionLedger', () => {
  let server: Server;
  let http: HttpServer;
  let ledger: ConnectionLedger;
  let sent: WorkerMessage[];
  let sockets: Socket[];
  let clients: Socket[];
  let requests: IncomingMessage[];

  beforeEach(async () => {
    sent = [];
    sockets = [];
    clients = [];
    requests = [];
    http = createHttpServer((request) => requests.push(request));
    const send = (message: WorkerMessage): void => void sent.push(message);
    ledger = new ConnectionLedger({ link: { send, sendDroppable: send }, clock: systemClock });
    server = createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1');
    await until('it listens', () => server.listening);
  });
  afterEach(() => {
    ledger.close();
    http.close();
    for (const socket of [...sockets, ...clients]) socket.destroy();
    server.close();
  });

  /** Both ends of a connection: the client's, and the one that came with a message. */
  async function pair(): Promise<{ client: Socket; socket: Socket }> {
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    clients.push(client);
    const socket = await until('it is accepted', () => sockets[clients.length - 1]);
    return { client, socket };
  }

  it('reports a connection in each of its phases, and its close once', async () => {
    const { socket } = await pair();
    ledger.add(7, socket, 'connection');
    const request = { method: 'GET', url: '/', headers: {} };
    ledger.requested(socket, request);
    ledger.answered(socket);
    ledger.playing(socket, SESSION);
    socket.destroy();
    await until('it is closed', () => ledger.size === 0);
    expect(sent).to.deep.equal([
      { type: 'connection-request', connection: 7, request },
      { type: 'connection-answered', connection: 7 },
      { type: 'connection-playing', connection: 7, session: SESSION },
      { type: 'connection-closed', connection: 7 },
    ]);
  });

  it('reports a connection whose peer was faster than the channel as closed', () => {
    ledger.add(8, null, 'connection');
    expect(sent).to.deep.equal([{ type: 'connection-closed', connection: 8 }]);
  });

  it('takes the reset of an adopted player that nobody listens to yet as its close', async () => {
    const { client, socket } = await pair();
    ledger.add(7, socket, 'adopt');
    socket.resume();
    client.resetAndDestroy();
    await until('it is closed', () => ledger.size === 0);
    expect(socket.errored).to.have.property('code', 'ECONNRESET');
    expect(sent).to.deep.equal([{ type: 'connection-closed', connection: 7 }]);
  });

  it('hands a player over and says no more of it, not even its close', async () => {
    const { socket } = await pair();
    ledger.add(7, socket, 'adopt');
    ledger.handover(socket, SESSION);
    await until('the copy is closed', () => socket.closed);
    ledger.playing(socket, SESSION);
    expect(sent).to.deep.equal([{ type: 'handover', connection: 7, session: SESSION }]);
  });

  it('refuses to hand over a socket with bytes in its queue', async () => {
    const { client, socket } = await pair();
    client.pause();
    ledger.add(7, socket, 'adopt');
    while (socket.writableLength === 0) socket.write(Buffer.alloc(1_048_576));
    expect(() => ledger.handover(socket, SESSION)).to.throw('still queued');
    expect(sent).to.deep.equal([]);
  });

  it('gives back what nobody read from, and nothing else', async () => {
    const [untouched, half, replayed] = [await pair(), await pair(), await pair()];
    ledger.add(1, untouched.socket, 'connection');
    ledger.add(2, half.socket, 'connection');
    ledger.add(3, replayed.socket, 'replay');
    http.emit('connection', untouched.socket);
    http.emit('connection', half.socket);
    half.client.write('GET / HT');
    await until('the parser has read it', () => half.socket.bytesRead > 0);
    expect(ledger.returnUnread()).to.equal(1);
    expect(sent).to.deep.equal([{ type: 'returned', connection: 1 }]);
  });

  it('reports the positions of its own sockets only', async () => {
    const [known, unknown] = [await pair(), await pair()];
    ledger.add(1, known.socket, 'adopt');
    const position = { term: 1, index: 1, offset: 1 };
    ledger.reportPositions(() => [
      [known.socket, position],
      [unknown.socket, position],
    ]);
    await until('a report', () => sent.length > 0);
    expect(sent[0]).to.deep.equal({ type: 'positions', positions: [[1, position]] });
  });

  it('lets a server answer a request that another worker has read', async () => {
    const { socket } = await pair();
    replayRequest(http, socket, {
      method: 'GET',
      url: '/ace/getstream?id=1',
      headers: { host: 'h', 'user-agent': 'VLC', 'content-length': '5' },
    });
    const request = await until('the request', () => requests[0]);
    expect([request.method, request.url]).to.deep.equal(['GET', '/ace/getstream?id=1']);
    expect(request.headers).to.deep.equal({ host: 'h', 'user-agent': 'VLC' });
  });

  it('makes one line of each header whatever is in it', () => {
    const headers = { 'x-a': 'b\r\nEvil: yes' };
    const head = requestHead({ method: 'GET', url: '/\n', headers }).toString();
    expect(head).to.equal('GET / HTTP/1.1\r\nx-a: bEvil: yes\r\n\r\n');
  });
});
