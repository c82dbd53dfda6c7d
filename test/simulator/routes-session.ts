import { type EngineContext, hang, hold, type Route } from './context.js';
import { json, NOT_FOUND_BODY, sendAnswer, textError } from './http-wire.js';
import type { Knobs } from './knobs.js';
import type { Session } from './session-table.js';

const UNKNOWN_SESSION = json({ response: null, error: 'unknown playback session id' });
const OK = json({ response: 'ok', error: null });

/** Seconds of media that `livepos` spans. */
const LIVE_WINDOW = 60;

function splitPath(path: string): { infohash: string; token: string } {
  const [, , , infohash = '', token = ''] = path.split('/');
  return { infohash, token };
}

/** `prebuf` until the prebuffer is full, then `dl`, unless a knob says otherwise (engine-api 4). */
function statusOf(session: Session, knobs: Readonly<Knobs>, now: number): string {
  if (knobs.status !== 'auto') return knobs.status;
  return now - session.startedAt < knobs.prebufferMs * knobs.timeScale ? 'prebuf' : 'dl';
}

function livepos(session: Session, knobs: Readonly<Knobs>, now: number): object {
  const age = Math.floor((now - session.startedAt) / 1000);
  const drift =
    knobs.statMode === 'frozen-livepos'
      ? -age
      : knobs.statMode === 'backward-livepos'
        ? -2 * age
        : 0;
  const last = Math.floor(now / 1000) + drift;
  const texts = {
    pos: last,
    live_first: last - LIVE_WINDOW,
    live_last: last,
    first_ts: last - LIVE_WINDOW,
  };
  return Object.fromEntries(
    Object.entries({ ...texts, last_ts: last, last, is_live: 1, buffer_pieces: 15 }).map(
      ([name, value]) => [name, value.toString()],
    ),
  );
}

/** `downloaded` grows with the media's rate unless the engine has peers no more. */
function countDownload(
  engine: EngineContext,
  session: Session,
  knobs: Readonly<Knobs>,
  now: number,
): number {
  const stalled =
    knobs.stall || [...engine.feeds].some((feed) => feed.session === session && feed.stalled);
  const flows = !stalled && knobs.peers > 0 && knobs.playbackOpen !== 'never';
  const rate = engine.content(session.content).source.bytesPerSecond;
  if (flows) session.downloaded += Math.round(((now - session.downloadedAt) / 1000) * rate);
  session.downloadedAt = now;
  return flows ? Math.round(rate / 1024) : 0;
}

function statOf(
  engine: EngineContext,
  session: Session,
  knobs: Readonly<Knobs>,
  now: number,
): object {
  const speed = countDownload(engine, session, knobs, now);
  const ramp =
    knobs.prebufferMs > 0 ? (now - session.startedAt) / (knobs.prebufferMs * knobs.timeScale) : 1;
  const status = statusOf(session, knobs, now);
  const numbers = {
    peers: Math.round(knobs.peers * Math.min(1, ramp)),
    speed_down: speed,
    speed_up: 0,
    downloaded: session.downloaded,
    uploaded: 0,
    total_progress: 0,
    is_live: 1,
    is_encrypted: 0,
    client_session_id: -1,
    selected_file_index: 0,
    selected_stream_index: 0,
    manifest_access_mode: 0,
    network_monitor_status: 0,
    debug_level: 0,
  };
  const asTexts = knobs.statMode === 'strings-for-ints';
  const shown = asTexts
    ? Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, value.toString()]))
    : numbers;
  const position =
    status === 'dl' && knobs.statMode !== 'missing-livepos'
      ? { livepos: livepos(session, knobs, now) }
      : {};
  return {
    ...shown,
    ...position,
    status,
    infohash: session.infohash,
    playback_session_id: session.playbackSessionId,
    network_monitor_started: true,
    disk_cache_stats: {
      avail: 1e9,
      disk_cache_limit: 1e9,
      inactive_inuse: 0,
      active_inuse: session.downloaded,
    },
  };
}

export const stat: Route = async (engine, connection, head) => {
  const { infohash, token } = splitPath(head.path);
  const server = engine.serverHeader();
  const session = engine.table.find(infohash, token);
  const knobs = session ? engine.board.of(session.content) : engine.board.engine;
  const now = Date.now();
  if (session) {
    session.statPolls += 1;
    engine.witness.statPoll(session, now, knobs.maxStatPerSecond);
    const counts = knobs.statCountsAsActivity && head.query.get('skip_player_activity') !== '1';
    if (counts) session.lastActivity = now;
  }
  if (knobs.statMode === 'hang') await hang(connection);
  else if (knobs.statMode === '500')
    sendAnswer(connection.socket, server, textError(500, NOT_FOUND_BODY));
  else if (!session || knobs.statMode === 'unknown-always')
    sendAnswer(connection.socket, server, UNKNOWN_SESSION);
  else {
    const empty = knobs.statMode === 'empty-first' && session.statPolls === 1;
    const response = empty ? {} : statOf(engine, session, knobs, now);
    sendAnswer(connection.socket, server, json({ response, error: null }));
  }
};

/** A command takes effect even when its answer hangs. */
export const command: Route = async (engine, connection, head) => {
  const { infohash, token } = splitPath(head.path);
  const session = engine.table.find(infohash, token);
  const knobs = session ? engine.board.of(session.content) : engine.board.engine;
  const method = head.query.get('method');
  if (method === 'stop') {
    engine.witness.stopCommand(session, token);
    if (session) engine.table.end(session, 'stop');
  } else if (method === 'set_player_activity_timeout' && session) {
    session.inactivityMs = Number(head.query.get('timeout')) * 1000;
  }
  const server = engine.serverHeader();
  const answer = session ? OK : UNKNOWN_SESSION;
  switch (knobs.cmdMode) {
    case 'ok':
      sendAnswer(connection.socket, server, answer);
      return;
    case 'unknown':
      sendAnswer(connection.socket, server, UNKNOWN_SESSION);
      return;
    case '500':
      sendAnswer(connection.socket, server, textError(500, NOT_FOUND_BODY));
      return;
    case 'reset':
      connection.socket.resetAndDestroy();
      return;
    case 'slow':
      if (await hold(connection, knobs.slowMs * knobs.timeScale))
        sendAnswer(connection.socket, server, answer);
      return;
    case 'hang':
      await hang(connection);
  }
};
