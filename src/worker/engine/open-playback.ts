import type { Socket } from 'node:net';
import { systemClock, type Clock } from '../../shared/clock.js';
import type { Logger } from '../../shared/log/logger.js';
import {
  EngineFaultKind,
  type EngineSession,
  type EngineStat,
  type MovableReader,
} from '../contracts.js';
import { classifyErrorText } from './answer.js';
import { engineUrl, rehost } from './engine-address.js';
import { EngineFault, type EngineFaultFields } from './engine-fault.js';
import { networkFault } from './engine-request.js';
import { HttpFailure, openHttp, type HttpAnswer } from './http-door.js';
import { PlaybackReader, type ReaderSettings } from './playback-reader.js';
import { PrebufferWatch } from './prebuffer-watch.js';
import { DirectBody, RawBody } from './raw-body.js';

/** One is usual, `/ace/r/…` to `/content/…` (engine-api 1.3, 13.5). */
const MAX_REDIRECTS = 5;
/** ms and bytes of the body of an error, for its text: `start timeout` has 13 bytes (engine-api 3.6). */
const ERROR_TEXT_MS = 500;
const ERROR_TEXT_BYTES = 512;
/** ms; engine-api 3.1: 120 s at most, 10.5: 20 to 30 s without peers. */
const MAX_HEADER_MS = 120_000;
const NO_PEERS_MS = 20_000;

export interface OpenOptions extends ReaderSettings {
  /** Ends the opening; an opened reader is ended by its `close`. */
  readonly signal: AbortSignal;
  readonly connectTimeoutMs: number;
  /** ms without headers and without progress in stat. */
  readonly headerTimeoutMs: number;
  /** ms without headers at all; 120 s unless given. */
  readonly maxHeaderMs?: number;
  /** ms without headers and without a peer; 20 s unless given. */
  readonly noPeersMs?: number;
  /** Every stat that was read while waiting. */
  readonly onStat?: (stat: EngineStat) => void;
  readonly log: Logger;
}

/**
 * Opens the one reader of a session and resolves when the engine sends media headers. Throws
 * `EngineFault`, or the signal's reason. Nothing is left open when it throws.
 */
export async function openPlayback(
  session: EngineSession,
  options: OpenOptions,
  clock: Clock = systemClock,
): Promise<MovableReader> {
  const { headerTimeoutMs, signal, onStat } = options;
  const watch = new PrebufferWatch(
    session,
    {
      signal,
      headerTimeoutMs,
      maxHeaderMs: Math.max(options.maxHeaderMs ?? MAX_HEADER_MS, headerTimeoutMs),
      noPeersMs: Math.min(options.noPeersMs ?? NO_PEERS_MS, headerTimeoutMs),
      ...(onStat === undefined ? {} : { onStat }),
    },
    clock,
  );
  try {
    const answer = await followRedirects(session, watch.signal, options);
    return new PlaybackReader(new DirectBody(answer), options, clock);
  } catch (thrown) {
    throw thrown instanceof HttpFailure ? networkFault(thrown, session.engine.id) : thrown;
  } finally {
    await watch.close();
  }
}

/**
 * Goes on reading where another worker's reader was released; `socket` as it came over IPC or from
 * `release`, to be called in the tick in which it came.
 */
export function adoptPlayback(
  socket: Socket,
  settings: ReaderSettings,
  clock: Clock = systemClock,
): MovableReader {
  return new PlaybackReader(new RawBody(socket), settings, clock);
}

async function followRedirects(
  session: EngineSession,
  signal: AbortSignal,
  { connectTimeoutMs, log }: OpenOptions,
): Promise<HttpAnswer> {
  const engineId = session.engine.id;
  let path = session.playbackPath;
  let foreignHost: string | null = null;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
    const url = engineUrl(session.engine, path);
    const answer = await openHttp({ url, connectTimeoutMs, signal });
    if (answer.status === 200) return answer;
    if (answer.status < 300 || answer.status > 399) {
      const refusal = await statusFault(answer, engineId);
      if (foreignHost === null) throw refusal;
      // The engine meant another host, and its path means nothing here: no retry mends that.
      throw fault(engineId, 'foreign-redirect', `to ${foreignHost}: ${refusal.message}`);
    }
    // The body of a redirect may never end, and the next reader needs the socket gone (1.3, 3.4).
    await answer.close();
    const next = rehost(answer.location ?? '', url);
    if (next === null) {
      throw fault(engineId, 'bad-redirect', `a redirect to "${answer.location ?? ''}"`);
    }
    if (next.foreignHost !== null) {
      foreignHost = next.foreignHost;
      log.warn('a redirect to a foreign host; only its path is used', {
        engine: engineId,
        host: next.foreignHost,
      });
    }
    path = next.path;
  }
  throw fault(engineId, 'redirect-loop', `more than ${String(MAX_REDIRECTS)} redirects`);
}

/** What an HTTP error on the playback URL means (engine-api 3.6, 10.8, 10.26). */
async function statusFault(answer: HttpAnswer, engineId: string): Promise<EngineFault> {
  const text = await errorText(answer);
  const { status } = answer;
  const message = `HTTP ${String(status)} ${text}`;
  const known = classifyErrorText(text);
  if (status === 403) {
    return new EngineFault({
      kind: EngineFaultKind.Conflict,
      reason: 'superseded',
      message,
      engineId,
    });
  }
  if (known.reason !== 'error') return new EngineFault({ ...known, message, engineId });
  const stale = status === 404 || status === 410;
  return new EngineFault({
    kind: stale ? EngineFaultKind.Session : EngineFaultKind.Engine,
    reason: `http-${String(status)}`,
    message,
    engineId,
  });
}

/** The first bytes of an error's body; closes the answer. */
function errorText(answer: HttpAnswer): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const finish = (): void => {
      clearTimeout(timer);
      void answer.close().then(() => resolve(text));
    };
    const timer = setTimeout(finish, ERROR_TEXT_MS);
    answer.readBody({
      onData: (bytes) => {
        text += bytes.toString('latin1').slice(0, ERROR_TEXT_BYTES - text.length);
        if (text.length >= ERROR_TEXT_BYTES) finish();
      },
      onEnd: finish,
    });
  });
}

function fault(engineId: string, reason: string, message: string): EngineFault {
  const fields: EngineFaultFields = { kind: EngineFaultKind.Engine, reason, message, engineId };
  return new EngineFault(fields);
}
