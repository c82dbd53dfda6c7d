import { expect } from 'chai';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

import { takeConnection } from '../../../src/shared/raw-socket.js';
import { until } from '../../helpers/until.js';

describe('takeConnection', () => {
  let server: Server;
  let peer: Socket;
  let socket: Socket;

  beforeEach(async () => {
    server = createServer((accepted) => (peer = accepted.on('error', () => undefined)));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    socket.on('error', () => undefined);
    await once(server, 'connection');
    await until('it is connected', () => !socket.connecting);
  });
  afterEach(async () => {
    socket.destroy();
    peer.destroy();
    server.close();
    await once(server, 'close');
  });

  it('leaves the old object without the connection and what it had read', async () => {
    peer.write('one');
    await until('it is read', () => socket.readableLength === 3);
    const taken = takeConnection(socket)!;
    socket.destroy();
    peer.write('two');
    await once(socket, 'close');
    expect(peer.readableEnded).to.equal(false);
    expect(taken.readableLength).to.equal(0);
    taken.setEncoding('utf8').resume();
    expect(await once(taken, 'data')).to.deep.equal(['two']);
    peer.resume();
    taken.destroy();
    await once(peer, 'close');
  });

  it('can be taken again', async () => {
    const again = takeConnection(takeConnection(socket)!)!;
    expect(takeConnection(socket)).to.equal(null);
    again.write('x');
    expect(String(await once(peer, 'data'))).to.equal('x');
    again.destroy();
  });

  it('changes nothing while bytes are queued', async () => {
    const queued = Buffer.alloc(32 * 1024 * 1024);
    socket.write(queued);
    expect(takeConnection(socket)).to.equal(null);
    let read = 0;
    peer.on('data', (bytes: Buffer) => (read += bytes.length));
    await until('all is sent', () => read === queued.length);
  });

  it('does not take what is closed or encrypted', () => {
    const encrypted = new TLSSocket(socket);
    encrypted.on('error', () => undefined);
    expect(takeConnection(encrypted)).to.equal(null);
    encrypted.destroy();
    socket.destroy();
    expect(takeConnection(socket)).to.equal(null);
  });
});
