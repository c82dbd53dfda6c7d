import type { EngineAddress } from '../../shared/config/settings.js';
import { readObject, readText } from './answer.js';
import { askEngine } from './engine-request.js';

/** The liveness probe the vendor recommends (engine-api 7.1). */
const PROBE_PATH = '/webui/api/service?method=get_version';
/** ms; engine-api 13.1. */
export const PROBE_TIMEOUT_MS = 3_000;

export interface ProbeResult {
  readonly version: string | null;
}

/** Resolves when the engine's service answers; that says nothing about playback (7.4). Throws `EngineFault`. */
export async function probe(
  engine: EngineAddress,
  timeoutMs: number = PROBE_TIMEOUT_MS,
  signal?: AbortSignal,
): Promise<ProbeResult> {
  const response = await askEngine({
    engine,
    path: PROBE_PATH,
    connectTimeoutMs: timeoutMs,
    answerTimeoutMs: timeoutMs,
    ...(signal === undefined ? {} : { signal }),
  });
  return { version: readText(readObject(response)['version']) };
}
