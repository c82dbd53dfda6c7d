import type { EngineAddress } from '../../shared/config/settings.js';
import { EngineFaultKind } from '../contracts.js';
import { parseEnvelope, type RawAnswer, type Refusal } from './answer.js';
import { bounded } from './bounded.js';
import { engineUrl } from './engine-address.js';
import { classifyNetworkFailure, EngineFault } from './engine-fault.js';
import { getText, HttpFailure } from './http-door.js';

/** bytes; the longest JSON seen is about 2 KB (engine-api 13.3). */
const MAX_ANSWER_BYTES = 64 * 1024;

export interface EngineRequest {
  readonly engine: EngineAddress;
  /** Path and query, beginning with `/`. */
  readonly path: string;
  readonly connectTimeoutMs: number;
  /** ms from the call to the end of the answer. */
  readonly answerTimeoutMs: number;
  /** When it aborts, the request ends and the signal's reason is thrown. */
  readonly signal?: AbortSignal;
}

/** The `response` of one JSON answer; throws `EngineFault` for anything else. */
export async function askEngine(request: EngineRequest): Promise<unknown> {
  const envelope = parseEnvelope(await fetchRaw(request));
  if (!envelope.ok) throw refusalFault(envelope.refusal, request.engine.id);
  return envelope.response;
}

async function fetchRaw(request: EngineRequest): Promise<RawAnswer> {
  const { engine, path, signal, answerTimeoutMs } = request;
  const late = (): Error =>
    new EngineFault({
      kind: EngineFaultKind.Timeout,
      reason: 'answer-timeout',
      message: `no answer within ${String(answerTimeoutMs)} ms`,
      engineId: engine.id,
    });
  try {
    return await bounded({ ms: answerTimeoutMs, late, ...(signal && { signal }) }, (end) =>
      getText({
        url: engineUrl(engine, path),
        connectTimeoutMs: Math.min(request.connectTimeoutMs, answerTimeoutMs),
        maxBytes: MAX_ANSWER_BYTES,
        signal: end,
      }),
    );
  } catch (thrown) {
    throw thrown instanceof HttpFailure ? networkFault(thrown, engine.id) : thrown;
  }
}

export function networkFault(failure: HttpFailure, engineId: string): EngineFault {
  const { kind, reason } = classifyNetworkFailure(failure.code);
  return new EngineFault({ kind, reason, message: failure.message, engineId }, failure);
}

function refusalFault(refusal: Refusal, engineId: string): EngineFault {
  return new EngineFault({ ...refusal, engineId });
}
