import { randomUUID } from 'node:crypto';
import type { EngineAddress } from '../../shared/config/settings.js';
import type { Logger } from '../../shared/log/logger.js';
import { EngineFaultKind, type ContentSelector, type EngineSession } from '../contracts.js';
import { EngineFault } from './engine-fault.js';
import { askEngine } from './engine-request.js';
import { kindsToTry, parseStartAnswer, startPath, type AcceptedKind } from './start-answer.js';
import { stopSession } from './stop-session.js';

/** ms; how long an answer is still awaited that nobody wants any more, only to stop its session. */
const LATE_ANSWER_MS = 60_000;

export interface StartOptions {
  /** Player id; a fresh random one per start unless given (engine-api 1.5.6). */
  readonly pid?: string;
  /** For a selector of unknown kind: the kind that worked before. */
  readonly rememberedKind?: AcceptedKind;
  readonly signal: AbortSignal;
  readonly connectTimeoutMs: number;
  /** ms for the answer to one kind; engines take up to 28 s to refuse an infohash (engine-api 1.6). */
  readonly answerTimeoutMs: number;
  readonly log: Logger;
  /** Told of work that outlives the call: stopping a session that came too late. It never rejects. */
  readonly onBackground?: (work: Promise<void>) => void;
}

/**
 * Starts a session on this engine. Throws `EngineFault`, or the signal's reason when it aborts.
 * A session whose answer comes after the deadline or the abort is stopped in the background, because
 * the engine keeps it otherwise (engine-api 1.6, 10.2).
 */
export async function startSession(
  engine: EngineAddress,
  selector: ContentSelector,
  options: StartOptions,
): Promise<EngineSession> {
  const kinds = kindsToTry(selector.keyType, options.rememberedKind ?? null);
  let refused: unknown;
  for (const kind of kinds) {
    try {
      return await startAs(kind, engine, selector, options);
    } catch (thrown) {
      if (!isContentRefusal(thrown)) throw thrown;
      refused = thrown;
    }
  }
  throw refused;
}

async function startAs(
  kind: AcceptedKind,
  engine: EngineAddress,
  selector: ContentSelector,
  options: StartOptions,
): Promise<EngineSession> {
  const { signal, answerTimeoutMs } = options;
  signal.throwIfAborted();
  const answer = requestStart(kind, engine, selector, options);
  const wanted = new AbortController();
  try {
    return await Promise.race([answer, untilUnwanted(signal, answerTimeoutMs, engine.id, wanted)]);
  } catch (thrown) {
    const late = answer.then(
      async (session) => {
        await stopSession(session);
        options.log.info('stopped a session whose answer came too late', { engine: engine.id });
      },
      () => undefined,
    );
    options.onBackground?.(late);
    throw thrown;
  } finally {
    wanted.abort();
  }
}

async function requestStart(
  kind: AcceptedKind,
  engine: EngineAddress,
  selector: ContentSelector,
  options: StartOptions,
): Promise<EngineSession> {
  const pid = options.pid ?? randomUUID();
  const response = await askEngine({
    engine,
    path: startPath(selector.stream, kind, pid),
    connectTimeoutMs: options.connectTimeoutMs,
    answerTimeoutMs: options.answerTimeoutMs + LATE_ANSWER_MS,
  }).catch((thrown: unknown) => {
    throw blameEngine(thrown);
  });
  const { session, foreignHosts } = parseStartAnswer(response, {
    engine,
    selector,
    acceptedAs: kind,
    pid,
  });
  if (foreignHosts.length > 0) {
    options.log.warn('the engine named hosts that are not its own; only the paths are used', {
      engine: engine.id,
      hosts: foreignHosts,
    });
  }
  return session;
}

/** Rejects when the caller aborts or the time is over; ends silently when `wanted` aborts. */
function untilUnwanted(
  signal: AbortSignal,
  timeoutMs: number,
  engineId: string,
  wanted: AbortController,
): Promise<never> {
  return new Promise((_resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    const timer = setTimeout(() => {
      const message = `no answer to the start within ${String(timeoutMs)} ms`;
      const kind = EngineFaultKind.Timeout;
      reject(new EngineFault({ kind, reason: 'answer-timeout', message, engineId }));
    }, timeoutMs);
    signal.addEventListener('abort', onAbort, { once: true });
    wanted.signal.addEventListener('abort', () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    });
  });
}

/** Before there is a session, a lost connection or an unknown resource is the engine's own doing. */
function blameEngine(thrown: unknown): unknown {
  if (!(thrown instanceof EngineFault) || thrown.kind !== EngineFaultKind.Session) return thrown;
  const { reason, message, engineId } = thrown;
  return new EngineFault({ kind: EngineFaultKind.Engine, reason, message, engineId }, thrown);
}

function isContentRefusal(thrown: unknown): boolean {
  return thrown instanceof EngineFault && thrown.kind === EngineFaultKind.Content;
}
