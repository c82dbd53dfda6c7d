import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

import { systemClock } from '../../src/shared/clock.js';
import { parseStreamId } from '../../src/shared/ids.js';
import type { ClientId, StreamId, WorkerId } from '../../src/shared/ids.js';
import type { PlayingSession, RingPosition } from '../../src/shared/ipc/messages.js';
import { ConnectionLedger } from '../../src/worker/lifecycle/connection-ledger.js';
import { PrimaryLink } from '../../src/worker/lifecycle/primary-link.js';
import { replayRequest } from '../../src/worker/lifecycle/replay.js';
import { ignoreGroupSignals } from '../../src/worker/lifecycle/signals.js';
import { ToyOwner } from './toy-owner.js';

/**
 * A worker whose stream is the numbers from 1 on, one a line, every 10 ms; an adopter after a crash
 * writes `torn` and goes on at the last report. `/whoami`, `/slow?ms`, `/half` (answered, never
 * ended), `/block?pid&ms`, `/own`, `/status`. Fails to start while the file `TOY_FAIL` exists.
 * `/engine?stream&port` reads an engine, `/give?stream&to&in` hands that over in so many ms, a drain to the
 * worker that the primary names.
 */
const STREAM = parseStreamId('a'.repeat(40)) as StreamId;
const TICK_MS = 10;

const link = new PrimaryLink({ clock: systemClock });
const owner = new ToyOwner(link);
const ledger = new ConnectionLedger({ link, clock: systemClock });
const players = new Map<Socket, PlayingSession>();
const askers: ((body: unknown) => void)[] = [];
let draining = false;

const server = createServer({
  headersTimeout: Number(process.env.TOY_HEADERS_MS ?? 20_000),
  connectionsCheckingInterval: 100,
});

function play(socket: Socket, session: PlayingSession): void {
  players.set(socket, session);
  socket.once('close', () => players.delete(socket));
  socket.on('error', () => undefined);
}

function advance(socket: Socket, session: PlayingSession): void {
  if (socket.writableLength > 0) return;
  const index = session.position?.index ?? 1;
  socket.write(`${String(index)}\n`);
  const position: RingPosition = { term: 1, index: index + 1, offset: 0 };
  players.set(socket, { ...session, position });
}

function newSession(): PlayingSession {
  return {
    stream: STREAM,
    keyType: 'id',
    client: 'c' as ClientId,
    ip: '127.0.0.1',
    userAgent: '',
    connectedAt: 0,
    bytesSent: 0,
    chunksSent: 0,
    position: { term: 1, index: 1, offset: 0 },
  };
}

function answer(request: IncomingMessage, response: ServerResponse, body: string): void {
  ledger.answered(request.socket);
  response.setHeader('Connection', 'close');
  response.end(body);
}

/** ms */
const BLOCK_DELAY_MS = 30;

/** Does nothing but keep the event loop from turning. */
function blockFor(ms: number): void {
  for (const end = Date.now() + ms; Date.now() < end;);
}

const routes: Record<string, (q: URLSearchParams, i: IncomingMessage, o: ServerResponse) => void> =
  {
    '/whoami': (_query, request, response) => answer(request, response, String(process.pid)),
    '/slow': (query, request, response) => {
      setTimeout(() => answer(request, response, String(process.pid)), Number(query.get('ms')));
    },
    '/half': (_query, request, response) => {
      ledger.answered(request.socket);
      response.write('half');
    },
    '/block': (query, request, response) => {
      const isOurs = query.get('pid') === String(process.pid);
      answer(request, response, isOurs ? 'yes' : 'no');
      // Once the answer is out.
      if (isOurs) setTimeout(() => blockFor(Number(query.get('ms'))), BLOCK_DELAY_MS);
    },
    '/own': (_query, request, response) => {
      link.send({ type: 'owning', stream: STREAM, term: 7 });
      answer(request, response, String(process.pid));
    },
    '/engine': (query, request, response) => {
      void owner
        .open(query.get('stream') as StreamId, Number(query.get('port')))
        .then(() => answer(request, response, String(process.pid)));
    },
    '/give': (query, request, response) => {
      const stream = query.get('stream') as StreamId;
      const isOurs = owner.owns(stream);
      const give = (): void => void owner.handOver(stream, query.get('to') as WorkerId);
      if (isOurs) setTimeout(give, Number(query.get('in')));
      answer(request, response, isOurs ? 'yes' : 'no');
    },
    '/status': (_query, request, response) => {
      askers.push((body) => answer(request, response, JSON.stringify(body)));
      link.send({ type: 'metrics-ask', request: askers.length - 1 });
    },
    '/stream': (_query, request, response) => {
      ledger.answered(request.socket);
      response.useChunkedEncodingByDefault = false;
      response.writeHead(200, { Connection: 'close', Pid: String(process.pid) });
      response.flushHeaders();
      const session = newSession();
      ledger.playing(request.socket, session);
      play(request.socket, session);
    },
  };

server.on('request', (request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://toy');
  ledger.requested(request.socket, {
    method: request.method ?? 'GET',
    url: request.url ?? '/',
    headers: { host: 'toy' },
  });
  routes[pathname]?.(searchParams, request, response);
});

async function drain(handover: boolean): Promise<void> {
  draining = true;
  const drainMs = Number(process.env.TOY_DRAIN_MS ?? 0);
  if (drainMs > 0) await new Promise((resolve) => setTimeout(resolve, drainMs));
  for (const [socket, session] of players) {
    if (handover && socket.writableLength === 0) ledger.handover(socket, session);
    else if (!handover) socket.end();
  }
  ledger.returnUnread();
  ledger.close();
  if (handover) await owner.handOverAll();
  await link.deliver({ type: 'drained' });
  process.exit(0);
}

ignoreGroupSignals();
link.on('start', () => {
  if (process.env.TOY_FAIL !== undefined && existsSync(process.env.TOY_FAIL)) {
    void link
      .deliver({ type: 'failed', code: 'TOY', message: 'told to fail' })
      .then(() => process.exit(1));
    return;
  }
  // The timeouts of a server that never listens are enforced only after this.
  server.emit('listening');
  ledger.reportPositions(() =>
    [...players].flatMap(([socket, { position }]) =>
      position === null ? [] : [[socket, position] as const],
    ),
  );
  link.reportWorkload(() => ({ clients: players.size, streams: 1 }));
  setInterval(() => {
    for (const [socket, session] of players) if (!draining) advance(socket, session);
  }, TICK_MS);
  link.send({ type: 'ready' });
});
link.on('connection', ({ connection }, socket) => {
  ledger.add(connection, socket, 'connection');
  if (socket !== null) server.emit('connection', socket);
});
link.on('replay', ({ connection, request }, socket) => {
  ledger.add(connection, socket, 'replay');
  if (socket !== null) replayRequest(server, socket, request);
});
link.on('adopt', ({ connection, session, torn }, socket) => {
  ledger.add(connection, socket, 'adopt');
  if (socket === null) return;
  ledger.playing(socket, session);
  if (torn) socket.write('torn\n');
  socket.resume();
  play(socket, session);
});
link.on('metrics-collect', ({ request }) => {
  link.send({ type: 'metrics', request, registry: { pid: process.pid } });
});
link.on('metrics-result', (result) => askers[result.request]?.(result));
link.on('drain', ({ handover }) => void drain(handover));
link.open();
