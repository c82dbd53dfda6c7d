import { expect } from 'chai';
import type { Clock } from '../../../src/shared/clock.js';
import { STORY_LENGTH, type StoryEntry } from '../../../src/shared/inspect/story.js';
import { OwnerStore } from '../../../src/shared/redis/owner-store.js';
import { EngineFaultKind, type EngineEnd } from '../../../src/worker/contracts.js';
import { StreamStory } from '../../../src/worker/owner/stream-story.js';
import { openRedisFixture, type RedisFixture } from '../../helpers/redis-fixture.js';
import { STREAM, WORKER } from '../../helpers/seed-stream.js';

const STALL: EngineEnd = { kind: EngineFaultKind.Timeout, reason: 'stall', message: 'no bytes' };

function whats(entries: readonly StoryEntry[]): string {
  return entries.map(({ what }) => what).join(' → ');
}

describe('the story of a stream', () => {
  let now: number;
  let told: StoryEntry[];
  let away: boolean;
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    setTimeout: () => {
      throw new Error('a story needs no timer');
    },
    setInterval: () => {
      throw new Error('a story needs no timer');
    },
  };
  const begin = (takeover: { from: string | null } | null = null): StreamStory =>
    new StreamStory({
      tell: (entries) => {
        if (away) return Promise.reject(new Error('away'));
        told.push(...entries);
        return Promise.resolve();
      },
      clock,
      takeover,
    });

  beforeEach(() => {
    now = 1_000;
    told = [];
    away = false;
  });

  it('tells a stall with its length, what was tried, and how long the picture was gone', () => {
    const story = begin();
    story.connecting('e2', 0);
    story.reading();
    now += 1_300;
    story.media();
    now += 60_000;
    const lastByteAt = now;
    story.media();
    now += 5_100;
    story.fault(STALL, 'e2', lastByteAt);
    story.reading();
    now += 1_300;
    story.media();
    story.media();
    expect(whats(story.recent(9))).to.equal(
      'started → asks engine e2 → keyframe after 1.3 s → ' +
        'engine e2 silent 5.1 s → reconnect → keyframe after 1.3 s',
    );
  });

  it('tells a new session from another engine', () => {
    const story = begin();
    story.connecting('e1', 1);
    story.fault({ ...STALL, reason: 'http-500' }, 'e1', null);
    story.connecting('e1', 1);
    story.fault({ ...STALL, reason: 'refused' }, 'e1', null);
    story.connecting('e2', 0);
    expect(whats(story.recent(9))).to.equal(
      'started → asks engine e1 → engine e1 answered 500 → new session → ' +
        'engine e1 refuses connections → engine e2 instead',
    );
  });

  it('tells a takeover, and an engine that goes on without a word', () => {
    const story = begin({ from: 'host:1:a' });
    story.reading();
    story.media();
    expect(whats(story.recent(9))).to.equal('another worker took over → keyframe after 0.0 s');
  });

  it('tells no keyframe where the connection itself was handed over', () => {
    const story = begin({ from: null });
    story.continuing();
    story.media();
    expect(whats(story.recent(9))).to.equal('another worker took over → goes on');
  });

  it('keeps what happened while Redis was away and tells it in order when it is back', async () => {
    const story = begin();
    await story.flush();
    away = true;
    story.connecting('e1', 0);
    story.redisAway();
    now += 7_000;
    await Promise.resolve();
    expect(whats(told)).to.equal('started');
    away = false;
    story.renewed();
    await story.flush();
    story.renewed();
    await story.flush();
    expect(whats(told)).to.equal(
      'started → asks engine e1 → Redis does not answer → Redis is back',
    );
    expect(told.at(-1)!.why).to.equal('after 7.0 s');
  });

  it('tells everything again to a Redis that came back empty', async () => {
    const story = begin();
    story.connecting('e1', 0);
    await story.flush();
    await new Promise(setImmediate);
    story.renewed();
    await new Promise(setImmediate);
    told = [];
    story.restored();
    await new Promise(setImmediate);
    expect(whats(told)).to.equal('started → asks engine e1 → Redis came back empty');
  });

  it('says nothing after its end', async () => {
    const story = begin();
    await story.ending('no viewers');
    await new Promise(setImmediate);
    const before = told.length;
    story.media();
    story.fault(STALL, 'e1', null);
    await story.flush();
    expect(told.slice(before)).to.deep.equal([]);
    expect(story.recent(1)[0]).to.include({ what: 'stops', why: 'no viewers' });
  });

  it('stays bounded', async () => {
    away = true;
    const story = begin();
    for (let i = 0; i < 200; i += 1) story.fault(STALL, 'e1', null);
    expect(story.recent(1_000)).to.have.length(STORY_LENGTH);
    away = false;
    story.renewed();
    await new Promise(setImmediate);
    story.renewed();
    await new Promise(setImmediate);
    expect(told).to.have.length.at.most(STORY_LENGTH);
  });
});

describe('the story in Redis', () => {
  let fixture: RedisFixture;
  let store: OwnerStore;
  const entry = (at: number): StoryEntry => ({ at, what: `step ${String(at)}`, why: '' });

  before(async () => {
    fixture = await openRedisFixture();
    const { redis, keys } = fixture;
    const times = { lockMs: 5_000, keepMs: 60_000 };
    store = new OwnerStore({ redis, keys, worker: WORKER, times });
  });

  afterEach(() => fixture.redis.flushall());

  after(() => fixture.close());

  async function win() {
    const answer = await store.acquire(STREAM, 'id', 1);
    if (answer.outcome !== 'won') throw new Error(answer.outcome);
    return answer.ownership;
  }

  it('keeps the last fifty entries, with a life that each renewal prolongs', async () => {
    const { redis, keys } = fixture;
    const own = await win();
    for (let at = 0; at < 60; at += 1) expect(await store.tell(own, [entry(at)])).to.be.true;
    const lines = await redis.lrange(keys.stream(STREAM).story, 0, -1);
    expect(lines).to.have.length(STORY_LENGTH);
    expect(lines.at(-1)).to.equal(JSON.stringify(entry(59)));
    await redis.pexpire(keys.stream(STREAM).story, 1_000);
    await store.renew(own, {});
    expect(await redis.pttl(keys.stream(STREAM).story)).to.be.greaterThan(50_000);
  });

  it('is gone with the stream, and nobody who lost it brings it back', async () => {
    const { redis, keys } = fixture;
    const own = await win();
    await store.tell(own, [entry(1)]);
    await store.end(own, { type: 'stream_stopped', reason: 'test' });
    expect(await store.tell(own, [entry(2)])).to.be.false;
    expect(
      await redis.keys(`${keys.stream(STREAM).metadata.replace(/metadata$/, '')}*`),
    ).to.deep.equal([]);
  });
});
