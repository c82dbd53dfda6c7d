import type { EngineHealth } from '../../shared/redis/engine-records.js';
import { EngineFaultKind, type EngineEnd } from '../contracts.js';
import { LOOP_REASON } from './engine-fault.js';

/** ms between probes of an engine that is well. */
const PROBE_INTERVAL_MS = 30_000;
/** ms; probes of an unfit engine back off from 1 s to 30 s (engine-api 10.1). */
const PROBE_MIN_MS = 1_000;
const PROBE_MAX_MS = 30_000;
/** So many failures in a row make an engine unfit; refusing a connection does so at once. */
const MAX_FAILURES = 3;
/** More would not lengthen the back-off, only the time to forget a long outage. */
const FAILURES_CAP = 6;
/** ms in which half of what is missing from a full score comes back; reserveEngine-4.lua knows it too. */
const SCORE_HALF_LIFE_MS = 300_000;

/** Nobody can work with this engine: its socket does not open. */
const FATAL_REASONS: ReadonlySet<string> = new Set(['refused', 'unreachable', 'connect-timeout']);
/** Timeouts that a channel nobody sends causes on the best engine. */
const CONTENT_TIMEOUTS: ReadonlySet<string> = new Set(['no-peers', 'start-timeout', 'stall']);

/** An engine that plays old media is passed over while it is no better than this. */
const LOOP_FACTOR = 0.4;
/** What one lost packet per minute costs, and the least that a minute leaves of a score. */
const LOSS_COST = 0.04;
const LOSS_FACTOR_MIN = 0.6;

export type HealthChange = (health: EngineHealth, now: number) => EngineHealth;

export function freshHealth(now: number): EngineHealth {
  return {
    healthy: true,
    failures: 0,
    nextProbeAt: now,
    lastError: null,
    score: 1,
    scoredAt: now,
    version: null,
    checkedAt: 0,
  };
}

/** ms from a failure to the next probe. */
export function probeBackOff(failures: number): number {
  return Math.min(PROBE_MIN_MS * 2 ** Math.max(failures - 1, 0), PROBE_MAX_MS);
}

/** The score as it stands now: bad marks fade. */
export function currentScore(health: EngineHealth, now: number): number {
  const age = Math.max(now - health.scoredAt, 0);
  return 1 - (1 - health.score) * 0.5 ** (age / SCORE_HALF_LIFE_MS);
}

/** What live traffic met. Content faults say nothing about an engine (engine-api 2.5). */
export function afterFault(fault: EngineEnd): HealthChange {
  return (health, now) => {
    if (fault.kind === EngineFaultKind.Content) return health;
    const lastError = `${fault.reason}: ${fault.message}`;
    const counts =
      fault.kind === EngineFaultKind.Engine ||
      (fault.kind === EngineFaultKind.Timeout && !CONTENT_TIMEOUTS.has(fault.reason));
    const factor = fault.reason === LOOP_REASON ? LOOP_FACTOR : 0.8;
    if (!counts) return { ...health, ...scored(health, now, factor), lastError };
    return { ...failed(health, now, fault.reason), ...scored(health, now, 0.5), lastError };
  };
}

/**
 * What a minute of a stream was like. Only the score falls: the loss may be the broadcaster's, and then
 * every engine has it. Ten losses in each minute hold the score below a half, one holds it at 0.8.
 */
export function afterLosses(lossesPerMinute: number): HealthChange {
  return (health, now) => {
    if (lossesPerMinute <= 0) return health;
    const factor = Math.max(LOSS_FACTOR_MIN, 1 - LOSS_COST * lossesPerMinute);
    return { ...health, ...scored(health, now, factor) };
  };
}

/** A start brought media: the only proof that an engine works (engine-api 7.4). */
export function afterSuccess(): HealthChange {
  return (health, now) => ({
    ...health,
    healthy: true,
    failures: 0,
    lastError: null,
    nextProbeAt: Math.max(health.nextProbeAt, now + PROBE_INTERVAL_MS),
    score: 1 - (1 - currentScore(health, now)) / 2,
    scoredAt: now,
  });
}

/**
 * The service answered. An unfit engine gets its chance again but keeps its failures, so that one
 * that answers and does not play backs off longer each time (engine-api 7.4).
 */
export function afterGoodProbe(version: string | null): HealthChange {
  return (health, now) => ({
    ...health,
    healthy: true,
    failures: health.healthy ? Math.floor(health.failures / 2) : health.failures,
    nextProbeAt: now + PROBE_INTERVAL_MS,
    version: version ?? health.version,
    checkedAt: now,
  });
}

export function afterBadProbe(fault: Pick<EngineEnd, 'reason' | 'message'>): HealthChange {
  return (health, now) => ({
    ...failed(health, now, fault.reason),
    ...scored(health, now, 0.8),
    lastError: `${fault.reason}: ${fault.message}`,
    checkedAt: now,
  });
}

function failed(health: EngineHealth, now: number, reason: string): EngineHealth {
  const failures = Math.min(health.failures + 1, FAILURES_CAP);
  return {
    ...health,
    failures,
    healthy: health.healthy && failures < MAX_FAILURES && !FATAL_REASONS.has(reason),
    nextProbeAt: now + probeBackOff(failures),
  };
}

function scored(
  health: EngineHealth,
  now: number,
  factor: number,
): Pick<EngineHealth, 'score' | 'scoredAt'> {
  return { score: currentScore(health, now) * factor, scoredAt: now };
}
