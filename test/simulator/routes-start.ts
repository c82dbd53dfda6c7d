import { createHash } from 'node:crypto';
import { type Connection, type EngineContext, hang, hold, type Route } from './context.js';
import {
  type Answer,
  json,
  NOT_FOUND_BODY,
  type RequestHead,
  sendAnswer,
  textError,
} from './http-wire.js';
import type { Knobs, StartAnswer } from './knobs.js';
import type { SelectorKind, Session } from './session-table.js';

const HEX40 = /^[0-9a-f]{40}$/;

interface Selection {
  kind: SelectorKind;
  hex: string;
}

/** The first selector in the engine's own order (engine-api 1.2); `null` when there is none. */
function select(query: URLSearchParams): Selection | null {
  const contentId = query.get('content_id') ?? query.get('id');
  if (contentId !== null) return { kind: 'content_id', hex: contentId.toLowerCase() };
  const infohash = query.get('infohash');
  if (infohash !== null) return { kind: 'infohash', hex: infohash.toLowerCase() };
  const url = query.get('url');
  if (url !== null)
    return { kind: 'content_id', hex: createHash('sha1').update(url).digest('hex') };
  const btih = /btih:([0-9a-f]{40})/i.exec(query.get('magnet') ?? '')?.[1];
  return btih === undefined ? null : { kind: 'infohash', hex: btih.toLowerCase() };
}

const error = (text: string, extra: object = {}): Answer =>
  json({ response: null, error: text, ...extra });

/** Texts and forms that were seen on real engines (engine-api 2.3, 10). */
const REFUSALS: Readonly<
  Record<Exclude<StartAnswer, 'ok' | 'hang' | 'reset' | 'failed-to-load'>, Answer>
> = {
  premium: error('you need to activate premium', {
    extra_data: { reason: 'missing_option', option: 'proxyServer' },
  }),
  'newer-download': error('got newer download'),
  'manifest-failed': error('failed to get manifest'),
  '500-text': textError(500, NOT_FOUND_BODY),
  'html-200': {
    status: 200,
    headers: { 'Content-Type': 'text/html' },
    body: '<!DOCTYPE html><html><body><h1>Welcome</h1></body></html>',
  },
  'empty-200': { status: 200 },
  'truncated-json': {
    status: 200,
    headers: { 'Content-Type': 'application/json' },
    body: '{"response": {"stat_url": "http://127.0.0.1:6878/ace/stat/0123',
  },
  'json-null-both': json({ response: null, error: null }),
  'error-object': json({ response: null, error: { code: 1, message: 'failed to load content' } }),
  '403': textError(403, 'access denied'),
  '404': textError(404, 'not found'),
  '503': textError(503, 'busy'),
};

export const getStream: Route = async (engine, connection, head) => {
  const server = engine.serverHeader();
  const selection = select(head.query);
  if (!selection) {
    sendAnswer(connection.socket, server, textError(500, 'no content selector'));
    return;
  }
  const content = selection.kind === 'infohash' ? engine.contentOf(selection.hex) : selection.hex;
  const knobs = engine.board.of(content);
  const pid = head.query.get('pid') ?? head.query.get('sid');
  const record = engine.content(content);
  record.starts += 1;
  engine.witness.startRequest(content, pid, Date.now(), knobs.maxStartsPerMinute);
  const spared = knobs.startAnswerTimes > 0 && record.starts > knobs.startAnswerTimes;
  const refusal = spared ? 'ok' : knobs.startAnswer;
  const known =
    HEX40.test(selection.hex) && (knobs.kind === 'both' || knobs.kind === selection.kind);
  if (!known || refusal === 'failed-to-load')
    await failToLoad(engine, connection, head, selection.kind, knobs);
  else if (refusal === 'ok')
    await startSession(engine, connection, head, { ...selection, hex: content }, pid);
  else if (refusal === 'hang') await hang(connection);
  else if (refusal === 'reset') connection.socket.resetAndDestroy();
  else if (await hold(connection, knobs.startDelayMs * knobs.timeScale)) {
    sendAnswer(connection.socket, server, REFUSALS[refusal]);
  }
};

/** 4.5 s for an id and 28 s for an infohash (engine-api 1.6). The 500 of the redirect mode is a guess. */
async function failToLoad(
  engine: EngineContext,
  connection: Connection,
  head: RequestHead,
  kind: SelectorKind,
  knobs: Readonly<Knobs>,
): Promise<void> {
  const ms = kind === 'infohash' ? knobs.badInfohashDelayMs : knobs.badIdDelayMs;
  if (!(await hold(connection, ms * knobs.timeScale))) return;
  const text = 'failed to load content';
  const answer = head.query.get('format') === 'json' ? error(text) : textError(500, text);
  sendAnswer(connection.socket, engine.serverHeader(), answer);
}

async function startSession(
  engine: EngineContext,
  connection: Connection,
  head: RequestHead,
  { hex, kind }: Selection,
  pid: string | null,
): Promise<void> {
  const { life } = engine;
  const knobs = engine.board.of(hex);
  const stayed = await hold(connection, knobs.startDelayMs * knobs.timeScale);
  if (engine.life !== life || (!stayed && knobs.abortedStart === 'forget')) return;
  const infohash =
    kind === 'infohash' && knobs.kind !== 'content_id' ? hex : engine.infohashOf(hex);
  const now = Date.now();
  const liveBefore = engine.table.live.filter((session) => session.content === hex).length;
  const request = { content: hex, infohash, kind, pid, remoteIp: connection.remoteIp };
  const outcome = engine.table.start(request, knobs, now);
  const server = engine.serverHeader();
  if (!outcome.ok) {
    if (outcome.why === 'capacity-hang') await hang(connection);
    else {
      const text = outcome.why === 'newer-download' ? 'got newer download' : 'too many sessions';
      sendAnswer(connection.socket, server, error(text));
    }
    return;
  }
  if (outcome.reused) engine.witness.sessionReused(outcome.session);
  else engine.witness.sessionStarted(outcome.session, liveBefore);
  sendAnswer(connection.socket, server, startedAnswer(engine, head, outcome.session));
}

function startedAnswer(engine: EngineContext, head: RequestHead, session: Session): Answer {
  const base = baseUrl(engine, head, session.content);
  const tail = `${session.infohash}/${session.token}`;
  if (head.query.get('format') !== 'json')
    return redirect(engine, session.content, `${base}/ace/r/${tail}`);
  return json({
    response: {
      stat_url: `${base}/ace/stat/${tail}`,
      playback_session_id: session.playbackSessionId,
      is_live: 1,
      playback_url: `${base}/ace/r/${tail}`,
      is_encrypted: 0,
      client_session_id: -1,
      command_url: `${base}/ace/cmd/${tail}`,
      infohash: session.infohash,
    },
    error: null,
  });
}

/** URLs name the host that the client asked for (engine-api 3.7). */
export function baseUrl(engine: EngineContext, head: RequestHead, content: string): string {
  const asked = head.headers.get('host') ?? engine.address;
  switch (engine.board.of(content).hostMode) {
    case 'reflect':
      return `http://${asked}`;
    case 'loopback':
      return 'http://127.0.0.1:6878';
    case 'container-ip':
      return 'http://172.17.0.2:6878';
    case 'wrong-port':
      return `http://${engine.trapAddress}`;
    case 'relative':
      return '';
    case 'https':
      return `https://${asked}`;
  }
}

/** 302 as captured: a short text, no length, closed by the engine (engine-api 1.3). */
export function redirect(engine: EngineContext, content: string, location: string): Answer {
  const { redirectLength, redirectKeepOpen } = engine.board.of(content);
  return {
    status: 302,
    headers: { Location: location, 'Access-Control-Allow-Origin': '*' },
    body: `<html><body>Redirecting to ${location}</body></html>`,
    length: redirectLength === 'exact',
    keepOpen: redirectKeepOpen,
  };
}
