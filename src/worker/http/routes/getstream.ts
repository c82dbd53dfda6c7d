import express, { type Request, type Response, type Router } from 'express';
import type { Clock } from '../../../shared/clock.js';
import { newClientId } from '../../../shared/ids.js';
import type { PlayingSession } from '../../../shared/ipc/messages.js';
import { takeConnection } from '../../../shared/raw-socket.js';
import type { ClientIdentity } from '../../client/client-session.js';
import type { StreamRegistry } from '../../stream/stream-registry.js';
import { MovedError } from '../../stream/waiting-room.js';
import type { ContentSelector } from '../../contracts.js';
import type { AccessGate } from '../../access/access-gate.js';
import { clientAddress } from '../client-address.js';
import { mediaAsk } from '../credentials.js';
import { ignoreInput } from '../one-request.js';
import { pathParam } from '../route.js';
import { parseStreamRequest } from '../stream-request.js';
import type { Socket } from 'node:net';

export interface MediaDeps {
  readonly registry: StreamRegistry;
  readonly access: Pick<AccessGate, 'admitMedia'>;
  readonly aliases: { find(alias: string): Promise<ContentSelector> };
  readonly clock: Clock;
  /** The connection goes on in another object. */
  readonly onMoved: (from: Socket, to: Socket) => void;
  /** The head is written; media follows. */
  readonly onPlaying: (socket: Socket, session: PlayingSession) => void;
  /** Seconds from the request to the first media. */
  readonly onJoined: (seconds: number) => void;
}

/** No length and no chunked coding: the bytes after the head are the stream and nothing else. */
const MEDIA_HEADERS = {
  'Content-Type': 'video/mp2t',
  'Cache-Control': 'no-store',
  'Accept-Ranges': 'none',
  Connection: 'close',
} as const;

/** Longer ones are cut: the text goes into Redis and into logs. */
const MAX_USER_AGENT = 256;

/** What a request asks for; throws the error that the player is told. */
type Resolve = (request: Request) => ContentSelector | Promise<ContentSelector>;

/** `/ace/getstream` and `/ace/alias/:name`: the only routes that carry media. */
export function makeMediaRouter(deps: MediaDeps): Router {
  const router = express.Router();
  const serve = (path: string, resolve: Resolve): void => {
    // Probes of players ask HEAD first: it never starts, joins or stops anything (spec 2.3).
    router.head(path, async (request, response) => {
      await deps.access.admitMedia(mediaAsk(request));
      await resolve(request);
      response.useChunkedEncodingByDefault = false;
      response.writeHead(200, MEDIA_HEADERS).end();
    });
    router.get(path, (request, response) => play(deps, resolve, request, response));
  };
  serve('/ace/getstream', (request) => parseStreamRequest(request.originalUrl));
  serve('/ace/alias/:name', (request) => deps.aliases.find(pathParam(request.params['name'])));
  return router;
}

async function play(
  deps: MediaDeps,
  resolve: Resolve,
  request: Request,
  response: Response,
): Promise<void> {
  const { registry, clock } = deps;
  const startedAt = clock.monotonic();
  const { user } = await deps.access.admitMedia(mediaAsk(request));
  const { stream, keyType } = await resolve(request);
  if (request.socket.destroyed) return;
  const { socket } = request;
  const gone = new AbortController();
  const onGone = (): void => gone.abort(new Error('the player left'));
  socket.once('close', onGone);
  const identity: ClientIdentity = {
    stream,
    keyType,
    client: newClientId(),
    ip: clientAddress(request),
    userAgent: (request.get('user-agent') ?? '').replace(/\p{C}/gu, ' ').slice(0, MAX_USER_AGENT),
    connectedAt: clock.now(),
    user,
  };
  let session;
  try {
    session = await registry.admit(identity, keyType, gone.signal);
  } catch (thrown) {
    // A connection that is kept alive may ask, and be refused, again and again.
    socket.off('close', onGone);
    if (gone.signal.aborted || thrown instanceof MovedError) return;
    throw thrown;
  }
  if (socket.destroyed) {
    session.clients.abandon(identity);
    return;
  }
  socket.off('close', onGone);
  writeHead(response);
  const playing = leaveHttp(socket, deps.onMoved);
  deps.onPlaying(playing, { ...identity, bytesSent: 0, chunksSent: 0, position: null });
  session.clients.play(identity, playing);
  deps.onJoined((clock.monotonic() - startedAt) / 1_000);
}

/** From here on the socket is the client session's: the response only wrote the head. */
function writeHead(response: Response): void {
  response.useChunkedEncodingByDefault = false;
  response.shouldKeepAlive = false;
  response.writeHead(200, MEDIA_HEADERS);
  response.flushHeaders();
}

/**
 * Takes the connection out of the HTTP server's hands: request, response and parser would cost more
 * memory for the hours of a stream than the client session itself. Where that cannot be, the socket
 * stays what it is. A player has nothing more to say; what it sends must not be parsed, nor pile up.
 */
function leaveHttp(socket: Socket, onMoved: MediaDeps['onMoved']): Socket {
  ignoreInput(socket);
  const own = takeConnection(socket);
  if (own === null) return socket;
  onMoved(socket, own);
  socket.destroy();
  ignoreInput(own);
  return own;
}
