import type { ErrorCode } from '../../shared/errors.js';
import { EngineFaultKind } from '../contracts.js';
import { LOOP_REASON } from './engine-fault.js';

/** Where an attempt failed: asking for a session, opening its reader, or reading. */
export type AttemptPhase = 'start' | 'open' | 'play';

/** One try that failed. Times are monotonic ms. */
export interface FailedAttempt {
  readonly outcome: 'failed';
  /** When it failed. */
  readonly at: number;
  readonly engineId: string;
  /** Name of the session (its pid), or `null` when there was none yet. */
  readonly session: string | null;
  readonly phase: AttemptPhase;
  readonly kind: EngineFaultKind;
  readonly reason: string;
  /** ms of media this attempt delivered, by the stream's own clock; a loop's is none. */
  readonly mediaMs: number;
}

/** No engine could be reserved. */
export interface NoEngineAttempt {
  readonly outcome: 'no-engine';
  readonly at: number;
}

export type Attempt = FailedAttempt | NoEngineAttempt;

export interface LadderHistory {
  /** True until the first media byte ever: then a failure is an HTTP error, not a gap. */
  readonly starting: boolean;
  /** The newest of: begin, media byte, progress shown by stat. */
  readonly lastProgressAt: number;
  /** Oldest first. */
  readonly attempts: readonly Attempt[];
}

export interface LadderSettings {
  /** Attempts per engine before the next one (`PROXY_MAX_RETRIES`). */
  readonly maxRetries: number;
  /** ms without progress before giving up (`PROXY_INIT_TIMEOUT`). */
  readonly initTimeoutMs: number;
}

export type Action =
  /** Open the same playback URL again; once per session and stable time (engine-api 3.3). */
  | { readonly type: 'reopen' }
  /** A session with a fresh pid on the same engine. */
  | { readonly type: 'newSession' }
  /** Reserve an engine that is not one of these; none excluded: any. */
  | { readonly type: 'otherEngine'; readonly exclude: readonly string[] }
  /** Ask again after so many ms. */
  | { readonly type: 'wait'; readonly ms: number }
  | { readonly type: 'giveUp'; readonly code: ErrorCode };

/** ms of media that make an attempt a success: what failed before it is forgotten (spec 3.4). */
const STABLE_MEDIA_MS = 30_000;
/** ms before the n-th try in a row that brings no media; the first is at once (engine-api 13.7). */
const BACK_OFF_MS = [0, 500, 1_000, 2_000, 4_000, 8_000] as const;
/**
 * ms before engines are asked for again while none can be had, the n-th time in a row. Asking costs
 * one look into the registry and a probe of the unfit ones, and players sit before a still picture.
 */
const NO_ENGINE_WAIT_MS = [250, 250, 500, 500, 500, 1_000] as const;
/** Faults of a connection that never stood: the engine was asked for nothing. */
const UNCONNECTED: ReadonlySet<string> = new Set(['refused', 'unreachable', 'connect-timeout']);
/** ms; an engine that still believes in another reader is asked again after 1 to 2 s (3.4, 10.9). */
const CONFLICT_WAIT_MS = 1_500;

/**
 * What to do after the last failure: same URL, new session, other engine, wait, or give up
 * (engine-api 13.8). Pure: the same history and time give the same answer, and after the time a
 * `wait` names the answer is no `wait`.
 */
export function nextAttempt(history: LadderHistory, now: number, settings: LadderSettings): Action {
  const attempts = sinceStable(history.attempts);
  const last = attempts.at(-1);
  if (last === undefined) return { type: 'otherEngine', exclude: [] };
  if (history.starting && last.outcome === 'failed' && last.kind === EngineFaultKind.Content) {
    return { type: 'giveUp', code: 'CONTENT_NOT_FOUND' };
  }
  // Without an engine a start is over at once; a running stream waits for one to come back.
  const hopeless = history.starting && last.outcome === 'no-engine';
  if (hopeless || now - history.lastProgressAt >= settings.initTimeoutMs) {
    return { type: 'giveUp', code: failureCode(attempts) };
  }
  const round = currentRound(attempts);
  const action: Action =
    last.outcome === 'no-engine'
      ? { type: 'otherEngine', exclude: [] }
      : afterFailure(round, last, settings);
  const due = last.at + backOff(attempts, round, last, action);
  return now < due ? { type: 'wait', ms: Math.ceil(due - now) } : action;
}

function afterFailure(
  round: readonly FailedAttempt[],
  last: FailedAttempt,
  { maxRetries }: LadderSettings,
): Action {
  const onThisEngine = round.filter(({ engineId }) => engineId === last.engineId);
  const leave = { type: 'otherEngine', exclude: uniqueEngines(round) } as const;
  if (last.reason === LOOP_REASON)
    return countLoops(onThisEngine) > 1 ? leave : { type: 'newSession' };
  if (onThisEngine.length >= maxRetries) return leave;
  switch (last.kind) {
    case EngineFaultKind.Engine:
      return leave;
    case EngineFaultKind.Conflict:
      return countKind(onThisEngine, EngineFaultKind.Conflict) > 1 ? leave : { type: 'newSession' };
    case EngineFaultKind.Content:
      return leave;
    case EngineFaultKind.Timeout:
      // A second silence in a row: twice the stall timeout is over (`PROXY_STALL_TIMEOUT`).
      return last.phase === 'play' && (last.mediaMs > 0 || !reopened(round, last))
        ? again(round, last)
        : leave;
    case EngineFaultKind.Session:
      return again(round, last);
  }
}

/** The same URL once while the session may still be alive, then a new session. */
function again(round: readonly FailedAttempt[], last: FailedAttempt): Action {
  const alive = last.phase === 'play' && last.reason !== 'unknown-session';
  return alive && !reopened(round, last) ? { type: 'reopen' } : { type: 'newSession' };
}

function reopened(round: readonly FailedAttempt[], last: FailedAttempt): boolean {
  return round.filter(({ session }) => session === last.session).length > 1;
}

/** What failed since media last flowed long enough to call it stable, that attempt included. */
function sinceStable(attempts: readonly Attempt[]): readonly Attempt[] {
  const stable = attempts.findLastIndex(
    (attempt) => attempt.outcome === 'failed' && attempt.mediaMs >= STABLE_MEDIA_MS,
  );
  return stable === -1 ? attempts : attempts.slice(stable);
}

/** When no engine was left, all get another chance. */
function currentRound(attempts: readonly Attempt[]): readonly FailedAttempt[] {
  const round = attempts.slice(
    attempts.findLastIndex(({ outcome }) => outcome === 'no-engine') + 1,
  );
  return round.filter((attempt) => attempt.outcome === 'failed');
}

/** ms to wait before `action`. Another engine is tried at once; when all failed, waiting begins. */
function backOff(
  attempts: readonly Attempt[],
  round: readonly FailedAttempt[],
  last: Attempt,
  action: Action,
): number {
  if (last.outcome === 'no-engine') {
    const look = stepOf(NO_ENGINE_WAIT_MS, noEnginesInARow(attempts) - 1);
    return Math.max(look, stepOf(BACK_OFF_MS, roundsAsked(attempts)));
  }
  // Loops are rare, and how often they are left is decided where they are found.
  if (action.type === 'otherEngine' || last.reason === LOOP_REASON) return 0;
  const wait = stepOf(BACK_OFF_MS, triesSinceMedia(round, last) - 1);
  return last.kind === EngineFaultKind.Conflict ? Math.max(wait, CONFLICT_WAIT_MS) : wait;
}

/** Tries in a row on this engine, from the last one that brought media. */
function triesSinceMedia(round: readonly FailedAttempt[], last: FailedAttempt): number {
  const stop = round.findLastIndex(
    ({ engineId, mediaMs }) => mediaMs > 0 || engineId !== last.engineId,
  );
  const stopped = round[stop];
  const ownMedia = stopped !== undefined && stopped.engineId === last.engineId;
  return round.length - stop - (ownMedia ? 0 : 1);
}

function noEnginesInARow(attempts: readonly Attempt[]): number {
  return attempts.length - 1 - attempts.findLastIndex(({ outcome }) => outcome !== 'no-engine');
}

/** Rounds that ended without an engine after one had answered: only they cost an engine anything. */
function roundsAsked(attempts: readonly Attempt[]): number {
  return attempts.filter(({ outcome }, i) => {
    const before = attempts[i - 1];
    return outcome === 'no-engine' && before?.outcome === 'failed' && !isUnconnected(before);
  }).length;
}

function isUnconnected({ reason }: FailedAttempt): boolean {
  return UNCONNECTED.has(reason);
}

function stepOf(steps: readonly number[], index: number): number {
  return steps[Math.min(index, steps.length - 1)] ?? 0;
}

function countKind(attempts: readonly FailedAttempt[], kind: EngineFaultKind): number {
  return attempts.filter((attempt) => attempt.kind === kind).length;
}

/** The same URL would go on with the loop; a second one in a row is the engine's. */
function countLoops(attempts: readonly FailedAttempt[]): number {
  return attempts.filter(({ reason }) => reason === LOOP_REASON).length;
}

function uniqueEngines(attempts: readonly FailedAttempt[]): readonly string[] {
  return [...new Set(attempts.map(({ engineId }) => engineId))];
}

/** The code a player is told when nothing is left to try. */
function failureCode(attempts: readonly Attempt[]): ErrorCode {
  const failures = attempts.filter((attempt) => attempt.outcome === 'failed');
  const last = failures.at(-1);
  if (last === undefined) return 'NO_ENGINE';
  if (last.kind === EngineFaultKind.Content) return 'CONTENT_NOT_FOUND';
  return last.kind === EngineFaultKind.Timeout ? 'START_TIMEOUT' : 'ENGINE_ERROR';
}
