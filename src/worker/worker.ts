import type { IncomingMessage, RequestListener } from 'node:http';
import { AppError } from '../shared/errors.js';
import type { PrimaryMessage } from '../shared/ipc/messages.js';
import { SnapshotStore } from '../shared/redis/snapshot-store.js';
import { Drain } from './drain.js';
import { adoptPlayback } from './engine/open-playback.js';
import { giveClient } from './give-client.js';
import { makeHttpDeps } from './http-deps.js';
import { makeApp } from './http/app.js';
import { EventHub } from './http/event-hub.js';
import { makeServer, type FedServer } from './http/server.js';
import { ConnectionLedger } from './lifecycle/connection-ledger.js';
import { MetricsLink } from './lifecycle/metrics-link.js';
import type { PrimaryLink } from './lifecycle/primary-link.js';
import { StreamCourier } from './lifecycle/stream-courier.js';
import { replayRequest } from './lifecycle/replay.js';
import { makeParts, type PartsInputs, type WorkerParts } from './parts.js';

export interface WorkerInputs extends Omit<PartsInputs, 'mover'> {
  readonly link: PrimaryLink;
}

/** Starts one worker and says `ready` when it serves. */
export async function startWorker(inputs: WorkerInputs): Promise<void> {
  const { link, start, logger } = inputs;
  const parts = await makeParts({ ...inputs, mover: new StreamCourier(link, inputs.clock) });
  const { clock } = parts;
  const ledger = new ConnectionLedger({ link, clock });
  const { metrics } = parts;
  const collector = new MetricsLink({ link, clock, local: () => metrics.toJSON() });
  const { access, keys, pool, registry } = parts;
  const redis = parts.redis.control;
  const events = makeEvents(inputs, parts);
  const app = makeApp(
    makeHttpDeps({
      ...{ start, logger, clock, keys, redis, pool, registry, ledger, metrics, collector, events },
      access,
    }),
  );
  const server = makeServer(reportRequests(ledger, app));
  takeConnections(inputs, parts, ledger, server);
  takeDrain(inputs, parts, ledger, server, events);
  link.reportWorkload(() => {
    const load = { clients: registry.clientCount, streams: registry.streamCount };
    const { eventLoopLagMs } = link.vitals;
    parts.counters.setLoad({ ...load, owned: registry.owned().length, eventLoopLagMs });
    return load;
  });
  ledger.reportPositions(() => registry.positions());
  await parts.begin();
  link.send({ type: 'ready' });
  logger.info('worker ready');
}

/** What `/events` tells: the engines and everything else that Redis knows. */
function makeEvents({ logger }: WorkerInputs, parts: WorkerParts): EventHub {
  const { keys, redis, pool, clock } = parts;
  const store = new SnapshotStore({ redis: redis.control, keys, clock });
  return new EventHub({
    read: async (options) => {
      const [snapshot, engines] = await Promise.all([store.read(options), pool.list()]);
      return { ...snapshot, engines };
    },
    clock,
    logger,
  });
}

/** The ways in which a socket comes from the primary, and goes back to it. */
function takeConnections(
  { link, start, logger }: WorkerInputs,
  { registry }: WorkerParts,
  ledger: ConnectionLedger,
  server: FedServer,
): void {
  link.on('connection', ({ connection }, socket) => {
    ledger.add(connection, socket, 'connection');
    if (socket !== null) server.serve(socket);
  });
  link.on('replay', ({ connection, request }, socket) => {
    ledger.add(connection, socket, 'replay');
    if (socket !== null) replayRequest(server.server, socket, request);
  });
  link.on('stream-adopt', ({ stream }, socket) => {
    const { readBytes, stallTimeoutMs } = start.settings;
    // In this tick: what comes before somebody listens would be lost.
    const reader = socket === null ? null : adoptPlayback(socket, { readBytes, stallTimeoutMs });
    registry
      .take(stream, reader)
      .catch((error: unknown) => logger.warn('a stream could not be taken', { stream, error }));
  });
  link.on('gather', ({ stream, to }) => {
    registry
      .gather(stream, (session, client) => giveClient(ledger, session, client, to))
      .catch((error: unknown) => logger.warn('clients could not move', { stream, error }));
  });
  link.on('adopt', ({ connection, session, torn }, socket) => {
    ledger.add(connection, socket, 'adopt');
    if (socket !== null) {
      // What a player sends is not read by anybody any more, but its end must be seen.
      socket.on('data', () => undefined);
      ledger.playing(socket, session);
    }
    registry.adopt(session, socket, torn).catch((error: unknown) => {
      if (error instanceof AppError && error.code === 'SHUTTING_DOWN') {
        // This worker ends. Of a torn one the primary knows more: it goes to a sibling with the exit.
        if (socket !== null && !torn) ledger.handover(socket, session);
        return;
      }
      logger.warn('a client could not be adopted', { client: session.client, error });
      socket?.end();
    });
  });
}

function takeDrain(
  { link, logger }: WorkerInputs,
  parts: WorkerParts,
  ledger: ConnectionLedger,
  server: FedServer,
  events: EventHub,
): void {
  const { registry } = parts;
  const steps = [{ name: 'events', run: () => events.close() }, ...parts.endSteps];
  const drain = new Drain({ link, ledger, registry, server, logger, steps });
  link.on('drain', (message: Extract<PrimaryMessage, { type: 'drain' }>) => {
    void drain.run(message);
  });
}

/**
 * Tells the primary of each request, so that another worker can answer it when this one dies. Only
 * requests without an effect can be asked again.
 */
function reportRequests(ledger: ConnectionLedger, app: RequestListener): RequestListener {
  return (request, response) => {
    const { socket } = request;
    if (request.method === 'GET' || request.method === 'HEAD') {
      ledger.requested(socket, {
        method: request.method,
        url: request.url ?? '/',
        headers: plainHeaders(request),
      });
    } else {
      ledger.answered(socket);
    }
    // Before the first byte of the response: from there on nobody else can answer.
    const writeHead = response.writeHead.bind(response) as (...args: unknown[]) => typeof response;
    response.writeHead = (...args: unknown[]) => {
      ledger.answered(socket);
      return writeHead(...args);
    };
    app(request, response);
  };
}

function plainHeaders(request: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return headers;
}
