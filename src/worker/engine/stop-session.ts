import type { EngineAddress } from '../../shared/config/settings.js';
import { UNKNOWN_SESSION } from './answer.js';
import { EngineFault } from './engine-fault.js';
import { askEngine } from './engine-request.js';

/** ms; stop hangs on some engines (engine-api 5, 10.11). */
const STOP_TIMEOUT_MS = 3_000;

/** `unknown`: the engine has no such session (any more), which is as good as stopped. */
export type StopResult = 'stopped' | 'unknown' | 'failed';

export interface StoppableSession {
  readonly engine: EngineAddress;
  /** Path of the command URL; `null` when the engine gave none: nothing can be stopped. */
  readonly commandPath: string | null;
}

/** Ends a session on its engine. Never throws; one retry, each try takes `timeoutMs` at most. */
export async function stopSession(
  session: StoppableSession,
  timeoutMs: number = STOP_TIMEOUT_MS,
): Promise<StopResult> {
  const { engine, commandPath } = session;
  if (commandPath === null) return 'unknown';
  const path = `${commandPath}${commandPath.includes('?') ? '&' : '?'}method=stop`;
  const first = await tryStop(engine, path, timeoutMs);
  return first === 'failed' ? tryStop(engine, path, timeoutMs) : first;
}

async function tryStop(
  engine: EngineAddress,
  path: string,
  timeoutMs: number,
): Promise<StopResult> {
  try {
    await askEngine({ engine, path, connectTimeoutMs: timeoutMs, answerTimeoutMs: timeoutMs });
    return 'stopped';
  } catch (thrown) {
    return thrown instanceof EngineFault && thrown.reason === UNKNOWN_SESSION
      ? 'unknown'
      : 'failed';
  }
}
