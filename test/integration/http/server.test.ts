import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { expect } from 'chai';
import { Router } from 'express';
import { SERVER_LIMITS } from '../../../src/worker/http/server.js';
import { fakeDeps, runApp, type RunningApp } from '../../helpers/http-app.js';
import { until } from '../../helpers/until.js';

const QUICK = {
  ...SERVER_LIMITS,
  headersTimeoutMs: 200,
  requestTimeoutMs: 300,
  keepAliveTimeoutMs: 200,
  checkIntervalMs: 50,
};

describe('the server that is fed with sockets', () => {
  let app: RunningApp;
  /** An answer that is due. */
  let slow: ServerResponse | null = null;
  const sockets: Socket[] = [];

  before(async () => {
    const mediaRouter = Router();
    mediaRouter.get('/ace/getstream', (_request, response) => {
      response.writeHead(200, { 'Content-Type': 'video/mp2t' });
      response.write('begun');
    });
    mediaRouter.get('/slow', (_request, response) => {
      slow = response;
    });
    app = await runApp(fakeDeps({ mediaRouter }), QUICK);
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await until('all connections closed', () => app.connections() === 0);
  });
  after(() => app.close());

  async function dial(): Promise<{ socket: Socket; text: () => string }> {
    const socket = connect(app.port, '127.0.0.1');
    socket.on('error', () => undefined);
    sockets.push(socket);
    let text = '';
    socket.on('data', (bytes) => (text += bytes.toString('latin1')));
    await once(socket, 'connect');
    return { socket, text: () => text };
  }

  it('serves a request', async () => {
    const answer = await fetch(`${app.url}/health/live`);
    expect(answer.status).to.equal(200);
    expect(await answer.json()).to.deep.equal({ status: 'live' });
  });

  it('answers 408 to a request that does not get its headers finished', async () => {
    const { socket, text } = await dial();
    socket.write('GET /health/live HTTP/1.1\r\nHost: x\r\nX-');
    await until('the end', () => socket.readableEnded || socket.destroyed);
    expect(text()).to.match(/^HTTP\/1\.1 408 /);
  });

  it('answers 408 to a body that does not come', async () => {
    const { socket, text } = await dial();
    socket.write('POST /engines HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer the-right-key\r\n');
    socket.write('Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{');
    await until('the end', () => socket.readableEnded || socket.destroyed);
    expect(text()).to.match(/^HTTP\/1\.1 408 /);
  });

  it('refuses headers over the limit', async () => {
    const { socket, text } = await dial();
    socket.write(`GET /health/live HTTP/1.1\r\nHost: x\r\nX-Big: ${'y'.repeat(17_000)}\r\n\r\n`);
    await until('the end', () => socket.readableEnded || socket.destroyed);
    expect(text()).to.match(/^HTTP\/1\.1 431 /);
  });

  it('ends a kept connection that asks for nothing more', async () => {
    const { socket, text } = await dial();
    socket.write('GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n');
    await until('the end', () => socket.readableEnded || socket.destroyed);
    expect(text()).to.match(/^HTTP\/1\.1 200 /);
  });

  it('answers the first of two requests that come at once, and ends the connection', async () => {
    for (const first of ['/health/live', '/engines']) {
      const { socket, text } = await dial();
      const requests = [first, '/health/live', '/health/live'].map(
        (path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`,
      );
      socket.write(requests.join(''));
      await until('the end', () => socket.readableEnded || socket.destroyed);
      expect(text().match(/HTTP\/1\.1 /g), first).to.have.length(1);
      expect(text()).to.match(/^HTTP\/1\.1 200 /);
    }
  });

  it('says that it ends the connection where it still can', async () => {
    const { socket, text } = await dial();
    const paths = ['/slow', '/health/live'];
    socket.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`).join(''));
    await until('it is asked for', () => slow !== null);
    slow!.end('done');
    await until('the end', () => socket.readableEnded || socket.destroyed);
    expect(text()).to.match(/^HTTP\/1\.1 200 .*\r\nConnection: close\r\n.*\r\n\r\ndone$/s);
  });

  it('sees the end of a client that had asked twice at once', async () => {
    const { socket } = await dial();
    const request = 'GET /ace/getstream HTTP/1.1\r\nHost: x\r\n\r\n';
    socket.write(request + request);
    await until('it is connected', () => app.connections() === 1);
    socket.destroy();
    await until('its end was seen', () => app.connections() === 0);
  });

  it('serves one request after the other on a connection that is kept', async () => {
    const { socket, text } = await dial();
    for (let n = 1; n <= 3; n++) {
      socket.write('GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n');
      await until('the answer', () => text().match(/"live"/g)?.length === n);
    }
    expect(socket.readableEnded).to.equal(false);
  });

  it('does not cut a long answer by the timeouts of the request', async () => {
    const { socket, text } = await dial();
    socket.write('GET /ace/getstream HTTP/1.1\r\nHost: x\r\n\r\n');
    await until('the first bytes', () => text().includes('begun'));
    // Longer than every limit above together: only the passing of time can show this.
    await new Promise((resolve) => setTimeout(resolve, 900));
    expect(socket.destroyed || socket.readableEnded).to.be.false;
  });
});
