import { expect } from 'chai';
import fc from 'fast-check';
import type { Command } from 'ioredis';
import type { StreamId } from '../../../src/shared/ids.js';
import { classifyRedisFailure } from '../../../src/shared/redis/failures.js';
import type { RedisFixture } from '../../helpers/redis-fixture.js';
import { append, makeStores, win, type WorkerStores } from '../../helpers/scripted-redis.js';
import { useTwoWorkers } from '../../helpers/two-workers.js';

const STREAM = 'e'.repeat(40) as StreamId;

describe('the ring in Redis', () => {
  let fixture: RedisFixture;
  let a: WorkerStores;
  let b: WorkerStores;
  useTwoWorkers((two) => ({ fixture, a, b } = two));
  const names = (): ReturnType<RedisFixture['keys']['stream']> => fixture.keys.stream(STREAM);
  const staged = (): Promise<string[]> => fixture.redis.keys('*:buffer:staged:*');
  const text = async (index: number): Promise<string | undefined> =>
    (await a.ring.read(STREAM, [index]))[0]?.toString();

  it('holds bytes, mark and tables of each chunk, and tells who listens', async () => {
    const listener = fixture.redis.duplicate({ enableOfflineQueue: true });
    const notices: string[] = [];
    listener.on('message', (_channel, notice: string) => notices.push(notice));
    await listener.subscribe(names().notices);
    const own = await win(a, STREAM);
    const mark = { i: 1, t: own.term, at: 5, s: 4, j: [0, 188], tb: 'x', sp: 1 } as const;
    const bytes = Buffer.from([0x47, 0, 0xff, 0x80]);
    const request = {
      term: own.term,
      life: own.life,
      mark,
      bytes,
      tables: { name: 'x', text: 'T' },
      drop: [],
      now: 6,
    };
    expect(await a.ring.append(STREAM, request)).to.equal(true);
    expect(await b.ring.read(STREAM, [1, 2])).to.deep.equal([bytes, null]);
    const snapshot = await b.ring.snapshot(STREAM);
    expect(snapshot).to.deep.equal({
      head: 1,
      owner: a.worker,
      marks: [mark],
      tables: new Map([['x', 'T']]),
    });
    expect(await b.ring.head(STREAM)).to.deep.equal({ head: 1, owner: a.worker });
    expect(notices).to.deep.equal([JSON.stringify(mark)]);
    expect(await fixture.redis.get(names().lastData)).to.equal('6');
    for (const key of [names().chunk(1), names().index, names().marks, names().lastData]) {
      expect(await fixture.redis.pttl(key), key).to.be.greaterThan(0);
    }
    listener.disconnect();
  });

  it('keeps every byte of chunks that are written among other commands', async () => {
    const own = await win(a, STREAM);
    let index = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 60_000 }), { maxLength: 4 }),
        async (all) => {
          const sent = all.map((bytes) => {
            const mark = {
              i: ++index,
              t: own.term,
              at: 5,
              s: bytes.length,
              j: [],
              tb: null,
              sp: 0,
            } as const;
            const request = {
              ...{ term: own.term, life: own.life, mark },
              tables: null,
              drop: [],
              now: 6,
            };
            // Written in the same tick, before and behind it.
            void fixture.redis.set('é', 'ü');
            return a.ring.append(STREAM, { ...request, bytes: Buffer.from(bytes) });
          });
          expect(await Promise.all(sent)).to.deep.equal(all.map(() => true));
          const indices = all.map((_, i) => index - all.length + 1 + i);
          const found = all.length === 0 ? [] : await b.ring.read(STREAM, indices);
          expect(found).to.deep.equal(all.map((bytes) => Buffer.from(bytes)));
          expect(await fixture.redis.get('é')).to.be.oneOf(['ü', null]);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('goes on when the server has forgotten its scripts', async () => {
    const own = await win(a, STREAM);
    expect(await append(a, own, 1)).to.equal(true);
    await fixture.redis.script('FLUSH');
    expect(await append(a, own, 2)).to.equal(true);
    expect((await b.ring.head(STREAM)).head).to.equal(2);
  });

  it('refuses an owner whose term is over, whoever came after it', async () => {
    const old = await win(a, STREAM);
    expect(await append(a, old, 1)).to.equal(true);
    await fixture.redis.del(names().owner);
    // Nobody holds the lock; then another does; then the same worker again in a later term.
    expect(await append(a, old, 2)).to.equal(false);
    expect(await staged(), 'its bytes are gone with it').to.deep.equal([]);
    const next = await win(b, STREAM);
    expect(await append(a, old, 2)).to.equal(false);
    expect(await append(b, next, 2)).to.equal(true);
    await fixture.redis.del(names().owner);
    const later = await win(a, STREAM);
    expect(await append(a, old, 3)).to.equal(false);
    expect(await append(a, later, 3)).to.equal(true);
    expect(await text(2)).to.contain(b.worker);
    expect(await a.ring.head(STREAM)).to.include({ head: 3 });
  });

  it('refuses a chunk of an earlier life, although the worker and the term are the same', async () => {
    const old = await win(a, STREAM, 1);
    await append(a, old, 1);
    await a.owners.end(old, { type: 'stream_stopped', reason: 'test' });
    const own = await win(a, STREAM, 2);
    expect(own.term).to.equal(old.term);
    expect(await append(a, old, 500)).to.equal(false);
    expect(await append(a, own, 1)).to.equal(true);
  });

  it('takes a repeated append as done and changes nothing', async () => {
    const own = await win(a, STREAM);
    await append(a, own, 1);
    await append(a, own, 2);
    const repeated = { i: 1, t: own.term, at: 999, s: 1, j: [], tb: null, sp: 0 } as const;
    const request = {
      term: own.term,
      life: own.life,
      mark: repeated,
      bytes: Buffer.from('other'),
      tables: null,
      drop: [2],
      now: 0,
    };
    expect(await a.ring.append(STREAM, request)).to.equal(true);
    expect(await text(1)).to.contain(a.worker);
    expect(await text(2)).to.contain(a.worker);
    expect((await a.ring.snapshot(STREAM)).marks.map(({ at }) => at)).to.deep.equal([1, 2]);
    expect(await staged()).to.deep.equal([]);
  });

  it('has no part of a chunk whose owner died between the bytes and their step', async () => {
    const own = await win(a, STREAM);
    await append(a, own, 1);
    const dies = withoutStep(fixture.redis, 'evalsha');
    const dying = makeStores(dies, fixture.keys, 'a');
    await append(dying, own, 2).catch(() => undefined);
    const [left = ''] = await staged();
    expect(left).to.equal(names().staged(a.worker, own.term, 2));
    expect(await fixture.redis.pttl(left)).to.be.within(1, 3_000);
    expect(await a.ring.head(STREAM)).to.include({ head: 1 });
    expect(await append(a, own, 2)).to.equal(true);
    expect(await staged()).to.deep.equal([]);
  });

  it('tells of an append whose bytes were lost as of a Redis that is away, and has nothing of it', async () => {
    const own = await win(a, STREAM);
    const losing = makeStores(withoutStep(fixture.redis, 'set'), fixture.keys, 'a');
    const thrown = await append(losing, own, 1).then(
      () => null,
      (error: unknown) => error,
    );
    expect(classifyRedisFailure(thrown)).to.equal('away');
    expect(await a.ring.snapshot(STREAM)).to.deep.include({ head: 0, marks: [] });
  });

  it('removes what falls out, bytes and mark, in the same step', async () => {
    const own = await win(a, STREAM);
    for (let index = 1; index <= 9; index++)
      await append(a, own, index, index > 3 ? [index - 3] : []);
    const { head, marks } = await a.ring.snapshot(STREAM);
    expect({ head, marks: marks.map(({ i }) => i) }).to.deep.equal({ head: 9, marks: [7, 8, 9] });
    expect(await fixture.redis.keys('*:buffer:chunk:*')).to.have.length(3);
    await a.ring.discard(STREAM, [7, 8]);
    await a.ring.discard(STREAM, []);
    expect((await a.ring.snapshot(STREAM)).marks.map(({ i }) => i)).to.deep.equal([9]);
  });

  it('removes a thousand chunks at once, more than any outage leaves', async () => {
    const own = await win(a, STREAM);
    const many = [...Array(1_000).keys()].map((n) => n + 1);
    expect(await append(a, own, 2_000, many)).to.equal(true);
  });

  it('is nothing where there is no stream', async () => {
    expect(await a.ring.snapshot(STREAM)).to.deep.equal({
      head: 0,
      owner: null,
      marks: [],
      tables: new Map(),
    });
  });
});

/** The connection, but for the commands of one name: they seem to be done and never come to Redis. */
function withoutStep(redis: RedisFixture['redis'], name: 'set' | 'evalsha'): RedisFixture['redis'] {
  return Object.assign(Object.create(redis) as RedisFixture['redis'], {
    sendCommand: (command: Command) =>
      command.name === name ? Promise.resolve('OK') : redis.sendCommand(command),
  });
}
