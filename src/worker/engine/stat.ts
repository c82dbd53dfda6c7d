import type { EngineSession, EngineStat } from '../contracts.js';
import { readInteger, readObject, readText, UNKNOWN_SESSION } from './answer.js';
import { EngineFault } from './engine-fault.js';
import { askEngine } from './engine-request.js';

/** ms; the stat URL can be slow while the engine is busy (engine-api 4). */
const STAT_TIMEOUT_MS = 3_000;

export type StatAnswer = EngineStat | typeof UNKNOWN_SESSION;

/**
 * What the engine says about a session; `unknown-session` when it has forgotten it, or never gave
 * it a stat URL. Throws `EngineFault`, or the signal's reason.
 */
export async function readStat(
  session: EngineSession,
  timeoutMs: number = STAT_TIMEOUT_MS,
  signal?: AbortSignal,
): Promise<StatAnswer> {
  if (session.statPath === null) return UNKNOWN_SESSION;
  try {
    const response = await askEngine({
      engine: session.engine,
      path: session.statPath,
      connectTimeoutMs: timeoutMs,
      answerTimeoutMs: timeoutMs,
      ...(signal === undefined ? {} : { signal }),
    });
    return parseStat(response);
  } catch (thrown) {
    if (thrown instanceof EngineFault && thrown.reason === UNKNOWN_SESSION) return UNKNOWN_SESSION;
    throw thrown;
  }
}

/** Every field is optional and numbers come as strings too; the first answer is `{}` (engine-api 4). */
export function parseStat(response: unknown): EngineStat {
  const stat = readObject(response);
  return {
    status: readText(stat['status']),
    peers: readInteger(stat['peers']),
    speedDown: readInteger(stat['speed_down']),
    speedUp: readInteger(stat['speed_up']),
    downloaded: readInteger(stat['downloaded']),
    uploaded: readInteger(stat['uploaded']),
    progress: readInteger(stat['progress']),
    liveLast: readLiveLast(stat['livepos']),
  };
}

/** All of `livepos` is text, and some engines leave it out (engine-api 4). */
function readLiveLast(livepos: unknown): number | null {
  const { live_last: liveLast, last } = readObject(livepos);
  return readInteger(liveLast) ?? readInteger(last);
}
