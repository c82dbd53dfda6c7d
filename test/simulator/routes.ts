import { type Connection, type EngineContext, hang, hold, type Route } from './context.js';
import { json, NOT_FOUND_BODY, readHead, sendAnswer, textError } from './http-wire.js';
import { openPlayback, playContent } from './routes-playback.js';
import { command, stat } from './routes-session.js';
import { getStream } from './routes-start.js';

const ROUTES: readonly (readonly [string, Route])[] = [
  ['/webui/api/service', (engine, connection, head) => service(engine, connection, head)],
  ['/server/api', (engine, connection, head) => serverApi(engine, connection, head)],
  ['/ace/getstream', getStream],
  ['/ace/r/', openPlayback],
  ['/content/', playContent],
  ['/ace/stat/', stat],
  ['/ace/cmd/', command],
];

/** 3.1.75 → 3017500 (engine-api 0.3). */
function versionOf(engine: EngineContext): { code: number; platform: string; version: string } {
  const { version } = engine.board.engine;
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number);
  return { code: major * 1_000_000 + minor * 10_000 + patch * 100, platform: 'linux', version };
}

const service: Route = async (engine, connection, head) => {
  const server = engine.serverHeader();
  const { versionMode, version } = engine.board.engine;
  if (versionMode === 'hang') await hang(connection);
  else if (versionMode === 'html') {
    const body = '<html><body>Welcome</body></html>';
    sendAnswer(connection.socket, server, {
      status: 200,
      headers: { 'Content-Type': 'text/html' },
      body,
    });
  } else if (versionMode === '500' || head.query.get('method') !== 'get_version') {
    sendAnswer(connection.socket, server, textError(500, NOT_FOUND_BODY));
  } else {
    const extra = version.startsWith('3.2') ? { websocket_port: 0 } : {};
    sendAnswer(
      connection.socket,
      server,
      json({ result: { ...versionOf(engine), ...extra }, error: null }),
    );
  }
};

/** Answers may omit `error` when all is well (engine-api 7.2). */
const serverApi: Route = async (engine, connection, head) => {
  if (!(await hold(connection, 0))) return;
  const method = head.query.get('method');
  const results: Readonly<Record<string, unknown>> = {
    get_status: { playlist_loaded: true, version: versionOf(engine) },
    get_network_connection_status: { connected: true },
  };
  const result = method === null ? undefined : results[method];
  const denied = head.query.get('api_version') === null || method === null;
  const body = denied
    ? { result: null, error: 'access denied' }
    : result === undefined
      ? { result: null, error: 'unknown method' }
      : { result };
  sendAnswer(connection.socket, engine.serverHeader(), json(body));
};

/** One connection from its first byte to its answer; the engine closes it behind each answer. */
export async function serve(engine: EngineContext, connection: Connection): Promise<void> {
  const { accept, maxConns } = engine.board.engine;
  if (accept === 'deny-close') {
    connection.socket.destroy();
    return;
  }
  const head = await readHead(connection.socket);
  if (!head || !(await hold(connection, 0))) {
    connection.socket.destroy();
    return;
  }
  engine.witness.request(head, engine.address);
  const server = engine.serverHeader();
  const route = ROUTES.find(([prefix]) => head.path.startsWith(prefix))?.[1];
  if (maxConns > 0 && engine.witness.openSockets > maxConns) await hang(connection);
  else if (accept === 'deny-403')
    sendAnswer(connection.socket, server, textError(403, 'access denied'));
  else if (head.method !== 'GET') sendAnswer(connection.socket, server, { status: 501 });
  else if (route) await route(engine, connection, head);
  else sendAnswer(connection.socket, server, textError(500, NOT_FOUND_BODY));
}
