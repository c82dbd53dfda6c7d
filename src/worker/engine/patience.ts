import type { Settings } from '../../shared/config/settings.js';

/** Engines take up to 28 s to refuse an infohash (engine-api 1.6); 1.5 × 30 s is the vendor's 45 s. */
const LAST_ENGINE_PATIENCE = 1.5;
/** Part of the start's time that an engine without a byte gets while another one is free. */
const SHARE_OF_START = 0.6;

type Times = Pick<Settings, 'connectionTimeoutMs' | 'initTimeoutMs'>;

/**
 * ms for the answer to a start. A silent engine is left early where there is another one; the last
 * one may take its time, because a slow refusal says more than a timeout.
 */
export function answerTimeout(alternatives: number, times: Times): number {
  return alternatives > 0
    ? Math.min(times.connectionTimeoutMs, times.initTimeoutMs)
    : times.initTimeoutMs * LAST_ENGINE_PATIENCE;
}

/** ms from the opening of the playback URL to its headers, unless stat shows progress. */
export function headerTimeout(alternatives: number, times: Times): number {
  return alternatives > 0 ? times.initTimeoutMs * SHARE_OF_START : times.initTimeoutMs;
}
