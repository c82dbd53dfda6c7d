import { expect } from 'chai';
import fc from 'fast-check';
import { EngineFaultKind } from '../../../src/worker/contracts.js';
import {
  nextAttempt,
  type Action,
  type Attempt,
  type FailedAttempt,
  type LadderHistory,
} from '../../../src/worker/engine/ladder.js';

const settings = { maxRetries: 3, initTimeoutMs: 30_000 };

const failure = (changes: Partial<FailedAttempt> = {}): FailedAttempt => ({
  outcome: 'failed',
  at: 0,
  engineId: 'a',
  session: 's1',
  phase: 'play',
  kind: EngineFaultKind.Session,
  reason: 'eof',
  mediaMs: 5_000,
  ...changes,
});
const running = (...attempts: Attempt[]): LadderHistory => ({
  starting: false,
  lastProgressAt: 0,
  attempts,
});
const starting = (...attempts: Attempt[]): LadderHistory => ({
  ...running(...attempts),
  starting: true,
});
const none = (at = 0): Attempt => ({ outcome: 'no-engine', at });
const next = (history: LadderHistory, now = 0): Action => nextAttempt(history, now, settings);
const atStart = { phase: 'start', session: null, mediaMs: 0 } as const;

describe('the ladder', () => {
  it('begins with any engine', () => {
    expect(next(starting())).to.deep.equal({ type: 'otherEngine', exclude: [] });
  });

  it('opens the same URL again at once, then asks for a new session', () => {
    expect(next(running(failure()))).to.deep.equal({ type: 'reopen' });
    const twice = running(failure(), failure({ at: 100 }));
    expect(next(twice, 100)).to.deep.equal({ type: 'newSession' });
  });

  it('does not open a URL whose session the engine has forgotten', () => {
    const history = running(failure({ reason: 'unknown-session' }));
    expect(next(history)).to.deep.equal({ type: 'newSession' });
  });

  it('leaves a loop for a new session and then for another engine, however long it played', () => {
    const loop = { reason: 'loop', mediaMs: 0 };
    const stable = failure({ mediaMs: 3_600_000 });
    expect(next(running(stable, failure(loop)))).to.deep.equal({ type: 'newSession' });
    const again = running(stable, failure(loop), failure({ ...loop, session: 's2' }));
    expect(next(again)).to.deep.equal({ type: 'otherEngine', exclude: ['a'] });
    const elsewhere = running(failure(loop), failure(loop), failure({ ...loop, engineId: 'b' }));
    expect(next(elsewhere)).to.deep.equal({ type: 'newSession' });
  });

  it('takes another engine when the retries of this one are used up', () => {
    const history = running(failure(), failure(), failure({ session: 's2' }));
    expect(next(history)).to.deep.equal({ type: 'otherEngine', exclude: ['a'] });
  });

  it('has its budget back after 30 s of media', () => {
    const history = running(failure(), failure(), failure({ session: 's2', mediaMs: 30_000 }));
    expect(next(history)).to.deep.equal({ type: 'reopen' });
  });

  it('leaves an unfit engine at once, and every engine it has tried', () => {
    const bad = { ...atStart, kind: EngineFaultKind.Engine, reason: 'refused' };
    expect(next(starting(failure(bad)))).to.deep.equal({ type: 'otherEngine', exclude: ['a'] });
    const both = starting(failure(bad), failure({ ...bad, engineId: 'b' }));
    expect(next(both)).to.deep.equal({ type: 'otherEngine', exclude: ['a', 'b'] });
  });

  it('takes another engine after the second silence', () => {
    const stall = { kind: EngineFaultKind.Timeout, reason: 'stall' };
    expect(next(running(failure(stall)))).to.deep.equal({ type: 'reopen' });
    const twice = running(failure(stall), failure({ ...stall, mediaMs: 0 }));
    expect(next(twice)).to.deep.equal({ type: 'otherEngine', exclude: ['a'] });
  });

  it('retries a conflict once after 1.5 s, then leaves the engine', () => {
    const conflict = { phase: 'open', kind: EngineFaultKind.Conflict, mediaMs: 0 } as const;
    expect(next(running(failure(conflict)))).to.deep.equal({ type: 'wait', ms: 1_500 });
    expect(next(running(failure(conflict)), 1_500)).to.deep.equal({ type: 'newSession' });
    const twice = running(failure(conflict), failure({ ...conflict, session: 's2' }));
    expect(next(twice)).to.deep.equal({ type: 'otherEngine', exclude: ['a'] });
  });

  it('gives up a start at once when the content is refused', () => {
    const history = starting(failure({ ...atStart, kind: EngineFaultKind.Content }));
    expect(next(history)).to.deep.equal({ type: 'giveUp', code: 'CONTENT_NOT_FOUND' });
  });

  it('does not give up a running stream because the content is refused', () => {
    const history = running(failure({ ...atStart, kind: EngineFaultKind.Content }));
    expect(next(history)).to.deep.equal({ type: 'otherEngine', exclude: ['a'] });
  });

  it('gives up a start without an engine at once, with what the engines said', () => {
    expect(next(starting(none()))).to.deep.equal({ type: 'giveUp', code: 'NO_ENGINE' });
    const engine = failure({ ...atStart, kind: EngineFaultKind.Engine });
    expect(next(starting(engine, none()))).to.include({ code: 'ENGINE_ERROR' });
    const timeout = failure({ ...atStart, kind: EngineFaultKind.Timeout });
    expect(next(starting(timeout, none()))).to.include({ code: 'START_TIMEOUT' });
  });

  it('waits for an engine while a stream runs, longer each time', () => {
    const refused = failure({ kind: EngineFaultKind.Engine, reason: 'refused' });
    const waits = [1, 2, 3, 4, 5, 6, 7].map((n) =>
      next(running(refused, ...Array.from({ length: n }, () => none()))),
    );
    expect(waits).to.deep.equal(
      [250, 250, 500, 500, 500, 1_000, 1_000].map((ms) => ({ type: 'wait', ms })),
    );
    expect(next(running(failure(), none()), 500)).to.deep.equal({
      type: 'otherEngine',
      exclude: [],
    });
  });

  it('asks an engine that answers and fails less and less often, whatever was free between', () => {
    const bad = failure({ kind: EngineFaultKind.Engine, reason: 'http-500' });
    const waits = [1, 2, 3, 4, 5, 6].map((n) =>
      next(running(...Array.from({ length: n }, () => [bad, none()]).flat())),
    );
    expect(waits).to.deep.equal(
      [500, 1_000, 2_000, 4_000, 8_000, 8_000].map((ms) => ({ type: 'wait', ms })),
    );
  });

  it('backs off between barren tries on one engine, the first being at once', () => {
    const barren = { phase: 'open', mediaMs: 0 } as const;
    expect(next(starting(failure(barren)))).to.deep.equal({ type: 'newSession' });
    expect(next(starting(failure(barren), failure({ ...barren, session: 's2' })))).to.deep.equal({
      type: 'wait',
      ms: 500,
    });
  });

  it('gives up when nothing moved for the start timeout', () => {
    expect(next(running(failure()), 29_999).type).to.equal('reopen');
    expect(next(running(failure()), 30_000)).to.deep.equal({
      type: 'giveUp',
      code: 'ENGINE_ERROR',
    });
  });
});

const anyAttempt: fc.Arbitrary<Attempt> = fc.oneof(
  { weight: 1, arbitrary: fc.constant<Attempt>(none()) },
  {
    weight: 6,
    arbitrary: fc.record({
      outcome: fc.constant('failed' as const),
      at: fc.constant(0),
      engineId: fc.constantFrom('a', 'b', 'c'),
      session: fc.constantFrom('s1', 's2', null),
      phase: fc.constantFrom('start' as const, 'open' as const, 'play' as const),
      kind: fc.constantFrom(...Object.values(EngineFaultKind)),
      reason: fc.constantFrom('eof', 'stall', 'unknown-session'),
      mediaMs: fc.constantFrom(0, 0, 100, 40_000),
    }),
  },
);
const anyHistory = fc
  .record({
    starting: fc.boolean(),
    attempts: fc.array(fc.tuple(anyAttempt, fc.nat(3_000)), { maxLength: 12 }),
    progressAgo: fc.nat(40_000),
  })
  .map(({ starting: isStarting, attempts, progressAgo }) => {
    let now = 100_000;
    const timed = attempts.map(([attempt, gap]) => ({ ...attempt, at: (now += gap) }));
    const history: LadderHistory = {
      starting: isStarting,
      attempts: timed,
      lastProgressAt: now - progressAgo,
    };
    return { history, now };
  });

describe('the ladder, whatever happened', () => {
  it('never gives up a running stream before the start timeout has passed since the last media', () => {
    fc.assert(
      fc.property(anyHistory, fc.nat(40_000), ({ history, now }, later) => {
        if (history.starting) return;
        const action = nextAttempt(history, now + later, settings);
        const silent = now + later - history.lastProgressAt;
        if (history.attempts.length === 0) return;
        expect(action.type === 'giveUp').to.equal(silent >= settings.initTimeoutMs);
      }),
    );
  });

  it('acts after the time it asked to wait', () => {
    fc.assert(
      fc.property(anyHistory, ({ history, now }) => {
        const action = nextAttempt(history, now, settings);
        if (action.type !== 'wait') return;
        expect(action.ms).to.be.within(1, 8_000);
        expect(nextAttempt(history, now + action.ms, settings).type).not.to.equal('wait');
      }),
    );
  });

  it('opens a URL again only where a reader was, and excludes only engines it tried', () => {
    fc.assert(
      fc.property(anyHistory, ({ history, now }) => {
        const action = nextAttempt(history, now, settings);
        const last = history.attempts.at(-1);
        if (action.type === 'reopen') expect(last).to.include({ phase: 'play' });
        if (action.type !== 'otherEngine') return;
        const tried = history.attempts.filter((attempt) => attempt.outcome === 'failed');
        expect(tried.map(({ engineId }) => engineId)).to.include.members([...action.exclude]);
      }),
    );
  });

  it('never stays on one engine for more barren tries than allowed', () => {
    fc.assert(
      fc.property(fc.array(anyAttempt, { maxLength: 60 }), (faults) => {
        let now = 0;
        let stays = 0;
        const attempts: Attempt[] = [];
        for (const fault of faults) {
          if (fault.outcome !== 'failed') continue;
          now += 10;
          attempts.push({ ...fault, engineId: 'a', mediaMs: 0, at: now });
          const history = { starting: false, lastProgressAt: now, attempts };
          let action = nextAttempt(history, now, settings);
          if (action.type === 'wait') action = nextAttempt(history, (now += action.ms), settings);
          if (action.type === 'otherEngine') {
            stays = 0;
            attempts.push(none(now));
          } else {
            stays += 1;
            expect(stays).to.be.below(settings.maxRetries);
          }
        }
      }),
    );
  });
});
