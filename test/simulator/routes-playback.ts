import { type Connection, type EngineContext, hang, hold, type Route } from './context.js';
import { Feed } from './feed.js';
import { headText, NOT_FOUND_BODY, type RequestHead, sendAnswer, textError } from './http-wire.js';
import type { Knobs } from './knobs.js';
import { baseUrl, redirect } from './routes-start.js';
import type { Session } from './session-table.js';

/** The engine gives up the wait for a first byte after 7 s in this form (engine-api 3.6). */
const START_TIMEOUT_MS = 7000;

const notFound = textError(500, NOT_FOUND_BODY);

/** `/ace/r/<infohash>/<token>[/<hop>]`: silence until there is media, then the redirect to it. */
export const openPlayback: Route = async (engine, connection, head) => {
  const [, , , infohash = '', token = '', hop = '1'] = head.path.split('/');
  const session = engine.table.find(infohash, token);
  if (!session) {
    sendAnswer(connection.socket, engine.serverHeader(), notFound);
    return;
  }
  await asReader(engine, session, connection, async (leave) => {
    const knobs = engine.board.of(session.content);
    if (hop === '1' && !(await opens(engine, connection, head, session))) return;
    if (knobs.redirects === 0) {
      await play(engine, connection, head, session);
      return;
    }
    leave();
    const next = nextHop(engine, head, session, Number(hop));
    sendAnswer(connection.socket, engine.serverHeader(), redirect(engine, session.content, next));
  });
};

/** `/content/<infohash>/0.<digits>`: the bytes. */
export const playContent: Route = async (engine, connection, head) => {
  const [, , infohash = '', name = ''] = head.path.split('/');
  const session = engine.table.findByContentName(infohash, name);
  if (!session) {
    sendAnswer(connection.socket, engine.serverHeader(), notFound);
    return;
  }
  await asReader(engine, session, connection, () => play(engine, connection, head, session));
};

/** Runs `work` as a reader of the session; a second one meets the engine's policy (engine-api 3.4). */
async function asReader(
  engine: EngineContext,
  session: Session,
  connection: Connection,
  work: (leave: () => void) => Promise<void>,
): Promise<void> {
  // One turn of the loop: the close of the reader before, if it was sent first, is seen first.
  if (!(await hold(connection, 0))) return;
  const others = engine.attached(session);
  engine.attach(session, connection);
  const leave = (): void => engine.detach(session, connection);
  connection.gone.addEventListener('abort', leave, { once: true });
  const policy = engine.board.of(session.content).secondReader;
  if (others.length > 0 && policy !== 'allow') {
    if (policy === 'block') return hang(connection);
    if (policy !== 'kick-first') {
      const second = policy === 'double-500' ? '500 Internal Server Error' : '200 OK';
      connection.socket.end(
        `HTTP/1.1 200 OK\r\nHTTP/1.1 ${second}\r\nContent-Type: video/mp2t\r\n\r\n`,
      );
      return;
    }
    for (const other of others) other.socket.destroy();
  }
  await work(leave);
}

/** Waits for the prebuffer; false when something else than a redirect was the answer. */
async function opens(
  engine: EngineContext,
  connection: Connection,
  head: RequestHead,
  session: Session,
): Promise<boolean> {
  const knobs = engine.board.of(session.content);
  const record = engine.content(session.content);
  record.openings += 1;
  const spared = knobs.playbackOpenTimes > 0 && record.openings > knobs.playbackOpenTimes;
  const server = engine.serverHeader();
  const refuse = (status: number, text: string): false => {
    sendAnswer(connection.socket, server, textError(status, text));
    return false;
  };
  if (knobs.gzipBreaks && (head.headers.get('accept-encoding') ?? '').includes('gzip')) {
    await hang(connection);
    return false;
  }
  switch (spared ? 'ok' : knobs.playbackOpen) {
    case 'ok':
      return (
        knobs.prebufferMode !== 'withhold-status' || (await prebuffered(connection, session, knobs))
      );
    case 'never':
      await hang(connection);
      return false;
    case '500-start-timeout':
      await hold(connection, START_TIMEOUT_MS * knobs.timeScale);
      return refuse(500, 'start timeout');
    case '500-failed-to-start':
      return refuse(500, 'failed to start');
    case '403':
      return refuse(403, 'Forbidden');
    case '404':
      return refuse(404, 'Not Found');
    case 'eof-zero-bytes':
      connection.socket.end(headText(200, { Server: server, 'Content-Type': 'video/mp2t' }));
      return false;
    case 'html':
      sendAnswer(connection.socket, server, {
        status: 200,
        headers: { 'Content-Type': 'text/html' },
        body: '<html><body>It works</body></html>',
      });
      return false;
  }
}

function prebuffered(
  connection: Connection,
  session: Session,
  knobs: Readonly<Knobs>,
): Promise<boolean> {
  return hold(connection, Math.max(0, fullAt(session, knobs) - Date.now()));
}

function fullAt(session: Session, knobs: Readonly<Knobs>): number {
  return session.startedAt + knobs.prebufferMs * knobs.timeScale;
}

function nextHop(engine: EngineContext, head: RequestHead, session: Session, hop: number): string {
  const knobs = engine.board.of(session.content);
  if (knobs.redirectTarget === 'foreign')
    return `http://${engine.trapAddress}/foreign/${session.infohash}`;
  const base = baseUrl(engine, head, session.content);
  if (knobs.redirectTarget === 'loop') return `${base}${head.path}`;
  if (hop < knobs.redirects) return `${base}/ace/r/${session.infohash}/${session.token}/${hop + 1}`;
  const name = `0.${engine.random.digits(16)}`;
  session.contentNames.add(name);
  return `${base}/content/${session.infohash}/${name}`;
}

async function play(
  engine: EngineContext,
  connection: Connection,
  head: RequestHead,
  session: Session,
): Promise<void> {
  const knobs = engine.board.of(session.content);
  if (knobs.gzipBreaks && (head.headers.get('accept-encoding') ?? '').includes('gzip'))
    return hang(connection);
  if (
    knobs.prebufferMode === 'redirect-then-silence' &&
    !(await prebuffered(connection, session, knobs))
  )
    return;
  connection.socket.write(headText(200, playHeaders(engine, knobs)));
  const silence = knobs.prebufferMode === 'headers-then-silence' ? fullAt(session, knobs) : 0;
  const feed = new Feed({
    socket: connection.socket,
    session,
    content: engine.content(session.content),
    knobs: () => engine.board.of(session.content),
    random: engine.random,
    paused: () => engine.frozen,
    notBefore: Math.max(silence, Date.now() + knobs.firstByteDelayMs * knobs.timeScale),
  });
  engine.feeds.add(feed);
  feed.tick(Date.now());
  await hang(connection);
  engine.feeds.delete(feed);
}

/** The headers of 3.x were never captured: every form is a knob (engine-api 3.2). */
function playHeaders(engine: EngineContext, knobs: Readonly<Knobs>): Record<string, string> {
  return {
    Server: engine.serverHeader(),
    Date: new Date().toUTCString(),
    ...(knobs.contentType === '' ? {} : { 'Content-Type': knobs.contentType }),
    ...(knobs.framing.startsWith('chunked') ? { 'Transfer-Encoding': 'chunked' } : {}),
    ...(knobs.framing === 'content-length-huge' ? { 'Content-Length': '9007199254740991' } : {}),
  };
}
