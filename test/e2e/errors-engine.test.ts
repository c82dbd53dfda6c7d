import { expect } from 'chai';
import { setStage, type Stage } from '../helpers/stage.js';
import type { EngineOptions } from '../simulator/engine.js';

/** s; the only wait that a player has to bear for each engine that says nothing. */
const INIT_S = 1.5;
const GRACE_S = '0.1';
/** ms for everything that is not waiting for an engine. */
const SLACK_MS = 1_500;

interface Fault {
  readonly what: string;
  readonly options: EngineOptions;
  /** What a player gets when there is no other engine. */
  readonly status: number;
  readonly code: string;
  /** True where only the time tells that nothing comes. */
  readonly silent?: boolean;
  /** Nobody listens on its port. */
  readonly down?: boolean;
}

const FAULTS: readonly Fault[] = [
  { what: 'is down', options: {}, status: 502, code: 'ENGINE_ERROR', down: true },
  { what: 'resets', options: { startAnswer: 'reset' }, status: 502, code: 'ENGINE_ERROR' },
  { what: 'answers 500', options: { preset: '500-text' }, status: 502, code: 'ENGINE_ERROR' },
  { what: 'answers HTML', options: { preset: 'html-200' }, status: 502, code: 'ENGINE_ERROR' },
  {
    what: 'answers nothing',
    options: { startAnswer: 'empty-200' },
    status: 502,
    code: 'ENGINE_ERROR',
  },
  {
    what: 'cuts its JSON',
    options: { preset: 'truncated-json' },
    status: 502,
    code: 'ENGINE_ERROR',
  },
  {
    what: 'wants a licence',
    options: { preset: 'premium-json' },
    status: 502,
    code: 'ENGINE_ERROR',
  },
  {
    what: 'redirects elsewhere',
    options: { preset: 'foreign-redirect' },
    status: 502,
    code: 'ENGINE_ERROR',
  },
  {
    what: 'redirects in a loop',
    options: { preset: 'redirect-loop' },
    status: 502,
    code: 'ENGINE_ERROR',
  },
  { what: 'hangs', options: { preset: 'hang' }, status: 504, code: 'START_TIMEOUT', silent: true },
  {
    what: 'never sends a byte',
    options: { preset: 'never-first-byte' },
    status: 504,
    code: 'START_TIMEOUT',
    silent: true,
  },
  {
    what: 'has a dead channel',
    options: { preset: 'dead-channel' },
    status: 504,
    code: 'START_TIMEOUT',
    silent: true,
  },
  {
    what: 'sends headers only',
    options: { preset: 'headers-then-silence' },
    status: 504,
    code: 'START_TIMEOUT',
    silent: true,
  },
];

describe('An engine that', () => {
  let stage: Stage;
  let serial = 0;
  const nextContent = (): string => (++serial).toString(16).padStart(40, 'e');

  before(async () => {
    stage = await setStage({
      engines: [],
      env: {
        PROXY_INIT_TIMEOUT: String(INIT_S),
        PROXY_CONNECTION_TIMEOUT: '1',
        PROXY_STALL_TIMEOUT: '0.5',
        PROXY_GRACE_PERIOD: GRACE_S,
      },
    });
  });

  afterEach(async () => {
    await stage.clear();
    await stage.dismiss();
  });

  after(() => stage.end());

  for (const { what, options, status, code, silent, down } of FAULTS) {
    const patience = (silent === true ? INIT_S * 1_000 : 0) + SLACK_MS;

    it(`${what} is passed over for one that plays`, async () => {
      const content = nextContent();
      const bad = await stage.invite(`bad-${content}`, options, true);
      if (down === true) await bad.stop();
      const good = await stage.invite(`good-${content}`, {});
      const begun = Date.now();
      const player = stage.play(content);
      await player.untilBytes(50_000, 2 * patience);
      expect(Date.now() - begun, 'ms to the picture').to.be.lessThan(patience + 500);
      if (down !== true) expect(bad.witness.startRequests[content], 'asked first').to.equal(1);
      expect(good.witness.starts[content]).to.equal(1);
      expect(bad.witness.foreignContacts).to.equal(0);
      await bad.stop();
    });

    it(`${what} and is alone is told to the player`, async () => {
      const content = nextContent();
      const bad = await stage.invite(`bad-${content}`, options);
      if (down === true) await bad.stop();
      const begun = Date.now();
      const answer = await fetch(stage.proxy.media(content));
      const { error } = (await answer.json()) as { error: { code: string; reason?: string } };
      // The probe may have found a dead engine before the player came: then there is none (spec 4).
      const found = down === true && error.code === 'NO_ENGINE';
      if (!found) expect(error.code, error.reason).to.equal(code);
      expect(answer.status).to.equal(found ? 503 : status);
      expect(Number(answer.headers.get('retry-after'))).to.be.greaterThan(0);
      expect(Date.now() - begun, 'ms to the answer').to.be.lessThan(patience);
      expect(bad.witness.foreignContacts).to.equal(0);
      await bad.stop();
    });
  }

  it('names a foreign host in its URLs is used all the same, by its own address', async () => {
    const content = nextContent();
    const engine = await stage.invite(`bad-${content}`, { preset: 'wrong-host' });
    await stage.play(content).untilBytes(50_000);
    expect(engine.witness.foreignContacts).to.equal(0);
  });

  it('does not answer a stop holds nobody up and is asked again', async () => {
    const content = nextContent();
    const engine = await stage.invite(`bad-${content}`, { preset: 'stop-hangs' });
    const player = stage.play(content);
    await player.untilBytes(50_000);
    player.leave();
    await stage.proxy.untilNoKeys(Number(GRACE_S) * 1_000 + 1_000);
    engine.set({ cmdMode: 'ok' });
    await engine.untilClean(5_000);
  });

  for (const name of [
    'unaligned-start',
    'redirect-no-length',
    'two-readers',
    'stale-stat',
  ] as const) {
    it(`behaves as in "${name}" plays without a fault`, async () => {
      const content = nextContent();
      await stage.invite(`bad-${content}`, { preset: name });
      const players = [stage.play(content), stage.play(content)];
      for (const player of players) {
        await player.untilBytes(1_500_000);
        const { lost, duplicated, reordered, corrupt, misaligned, marked, ccErrors } =
          player.report();
        expect({
          lost,
          duplicated,
          reordered,
          corrupt,
          misaligned,
          marked,
          ccErrors,
        }).to.deep.equal({
          lost: 0,
          duplicated: 0,
          reordered: 0,
          corrupt: 0,
          misaligned: 0,
          marked: 0,
          ccErrors: 0,
        });
      }
    });
  }
});
