import { expect } from 'chai';
import fc from 'fast-check';
import type { ClientId, StreamId } from '../../src/shared/ids.js';
import type { ModelWorker } from './coordination-base.js';
import { CoordinationWorld } from './coordination-world.js';
import type { RedisFixture } from './redis-fixture.js';
import { clientNamed } from './scripted-redis.js';

/**
 * A model of the coordination: workers race for one stream on a real Redis with the real scripts.
 * Steps: acquire, renew, restore, append, join, leave, pulse, begin and end of a stop, a request for
 * one, yield, transfer; a crash, what a primary frees after it, a lock or a lease that runs out, a Redis
 * that comes back empty, a notice that is heard, heard twice, too late or not at all. Each command may
 * stay under way while others overtake it, also beyond the death of its sender; one connection's commands
 * arrive in order.
 *
 * Invariants:
 *  1. A lock is won exactly when nobody holds it, or it is in the winner's name, and no stop is in
 *     progress.
 *  2. Within a life terms strictly grow as long as Redis remembers it. A takeover continues the life.
 *  3. A renewal succeeds only for the newest term of its life; a restore only while Redis remembers
 *     no other owner, term or life. (Who restores itself first after a loss of all keys is the owner,
 *     also one that had lost its lock before and did not know.)
 *  4. A chunk is taken exactly from the holder of the lock in its term and life. The head never goes back
 *     (but by the loss of all keys), and terms never go back along the ring.
 *  5. A client joins exactly when no stop is in progress.
 *  6. An unforced stop begins only when no registered client is left, and none joins until it has
 *     ended: nobody who joined sees the keys of its stream deleted. (Only who was forgotten with all
 *     keys, and has not been registered again when the stop begins, is not seen.)
 *     A stop is over when who began it lets the lock go, dies, or gives the stream away.
 *  7. A stop ends only for the holder of the lock in its term and life, and leaves no key.
 *  8. Leaving twice is leaving once; who has handed a client over cannot take it out.
 *  9. A primary frees the lock and the clients of the dead worker, and nobody else's.
 * 10. A follower that has read the keys knows the whole ring, whatever notices it heard before.
 * 11. An owner hears with its next renewal who asks for a stop, and how many watch.
 * 12. Every key of the stream has a TTL.
 * 13. From wherever it is, once all have left and the dead are reaped, the stream can be won,
 *     stopped and ended without a key left.
 */
/** Steps of one schedule. */
const STEPS = 150;
const WORKERS = 3;
const CLIENTS = 4;

type Run = (world: CoordinationWorld) => Promise<void> | void;
type Command = fc.AsyncCommand<object, CoordinationWorld>;

/** A step that is always allowed: what cannot happen now does nothing. */
function command(name: string, run: Run): Command {
  return {
    check: () => true,
    run: async (_model, world) => {
      await run(world);
    },
    toString: () => name,
  };
}

const number = fc.nat(WORKERS - 1);
const late = fc.boolean();
const client = fc.nat(CLIENTS - 1).map((n) => clientNamed(n));

/** A step of one of the workers for which it makes sense. */
function owners(
  name: string,
  due: (worker: ModelWorker) => boolean,
  step: (world: CoordinationWorld, worker: ModelWorker, flag: boolean) => () => Promise<void>,
): fc.Arbitrary<Command> {
  return fc.tuple(number, late, fc.boolean()).map(([n, isLate, flag]) =>
    command(`${name}(${String(n)}${isLate ? ', late' : ''})`, async (world) => {
      const able = world.workers.filter(due);
      const worker = able[n % able.length];
      if (worker !== undefined) await world.act(worker, isLate, step(world, worker, flag));
    }),
  );
}

const serves = (worker: ModelWorker): boolean => worker.own !== null && worker.stopping === null;

const acquire = owners(
  'acquire',
  ({ own }) => own === null,
  (world, worker) => world.acquire(worker),
);
const append = fc.tuple(number, late).map(([n, isLate]) =>
  command(`append(${String(n)}${isLate ? ', late' : ''})`, async (world) => {
    const able = world.workers.filter(serves);
    const worker = able[n % able.length];
    if (worker !== undefined) await world.append(worker, worker.own!, isLate);
  }),
);

/** What a player does, or what is done with it. */
function viewers(
  name: string,
  pick: (
    world: CoordinationWorld,
    worker: ModelWorker,
    client: ClientId,
  ) => ModelWorker | undefined,
  step: (world: CoordinationWorld, worker: ModelWorker, client: ClientId) => () => Promise<void>,
): fc.Arbitrary<Command> {
  return fc.tuple(number, late, client).map(([n, isLate, who]) =>
    command(
      `${name}(${String(n)}, ${String(Number(who))}${isLate ? ', late' : ''})`,
      async (world) => {
        const worker = pick(world, world.workers[n]!, who);
        if (worker === undefined || world.pending.has(who)) return;
        await world.actFor(who, worker, isLate, step(world, worker, who));
      },
    ),
  );
}

const join = viewers(
  'join',
  (world, worker, who) => (world.served.get(who) === worker ? undefined : worker),
  (world, worker, who) => world.join(worker, who),
);
const leave = viewers(
  'leave',
  (world, _worker, who) => world.served.get(who),
  (world, worker, who) => world.leave(worker, who),
);
const leaveTooLate = viewers(
  'leave too late',
  (_world, worker) => worker,
  (world, worker, who) => world.leaveTooLate(worker, who),
);

/** What happens to everybody, or to nobody in particular. */
function event(
  name: string,
  run: (world: CoordinationWorld, worker: ModelWorker) => Promise<void> | void,
): fc.Arbitrary<Command> {
  return number.map((n) =>
    command(`${name}(${String(n)})`, (world) => run(world, world.workers[n]!)),
  );
}

const steps: fc.Arbitrary<Command>[] = [
  ...[acquire, acquire, append, append, join, join, leave, leave],
  owners('renew', serves, (world, worker) => world.renew(worker, worker.own!)),
  owners(
    'restore',
    (worker) => serves(worker) && worker.restoring,
    (world, worker) => world.restore(worker, worker.own!),
  ),
  owners('stop', serves, (world, worker, forced) =>
    world.beginStop(worker, worker.own!, forced || worker.asked),
  ),
  owners(
    'end',
    ({ own, stopping }) => own !== null && stopping !== null,
    (world, worker) => world.end(worker, worker.own!),
  ),
  owners('transfer', serves, (world, worker, flag) => {
    const others = world.workers.filter((other) => other !== worker);
    return world.transfer(worker, worker.own!, others[Number(flag)]!);
  }),
  owners('yield', serves, (world, worker) => world.yieldLock(worker)),
  owners(
    'pulse',
    () => true,
    (world, worker) => world.pulse(worker),
  ),
  leaveTooLate,
  event('deliver', (world, worker) => world.deliver(worker.outbox, 1)),
  event('deliver chunks', (world, worker) => world.deliver(worker.chunks, 1)),
  event('deliver of the dead', (world) => world.deliver(world.lateCommands, 1)),
  event('lose', (world, worker) => world.lose(worker)),
  event('crash', (world, worker) => world.crash(worker)),
  event('reap', (world) => world.reap()),
  event('ask to stop', (world) => world.askToStop()),
  event('request runs out', (world) => world.expireStopRequest()),
  fc
    .tuple(fc.boolean(), fc.boolean())
    .map(([twice, newest]) =>
      command(`hear${twice ? ' twice' : ''}${newest ? ', newest' : ''}`, ({ follower }) =>
        follower.hear(twice, newest),
      ),
    ),
  event('miss', ({ follower }) => follower.miss()),
  event('reconnect', ({ follower }) => follower.reconnect()),
  event('lock runs out', (world) => world.expireLock()),
  event('stop runs out', (world) => world.expireStopping()),
  event('leases run out', (world) => world.expireOrphans()),
  fc.nat(4).chain((n) => (n === 0 ? event('flush', (world) => world.flush()) : append)),
];

/** Invariants 10, 12 and 13. */
async function bringToRest(world: CoordinationWorld): Promise<void> {
  await world.deliver(world.lateCommands);
  for (const { outbox, chunks } of world.workers) {
    await world.deliver(chunks);
    await world.deliver(outbox);
  }
  for (const [who, worker] of [...world.served])
    await world.act(worker, false, world.leave(worker, who));
  await world.follower.expectInStep();
  await world.expectMortal();
  while (world.dead.length > 0) await world.reap();
  await world.expireOrphans();
  await world.expireStopRequest();
  await world.expireLock();
  await world.expireStopping();
  // Without a stream, viewers who came and went leave nothing either.
  if ((await world.facts()).life === null) expect(await world.dump()).to.deep.equal([]);
  const [first] = world.workers as [ModelWorker];
  first.own = null;
  await world.act(first, false, world.acquire(first));
  await world.act(first, false, world.beginStop(first, first.own!, false));
  expect(first.stopping, 'the last stop').to.equal('idle');
  await world.act(first, false, world.end(first, first.own!));
  expect(await world.dump(), 'keys at rest').to.deep.equal([]);
  await world.unlist();
}

/** Runs that many random schedules; resolves to the steps that reached Redis. */
export async function runModel({ redis, keys }: RedisFixture, schedules: number): Promise<number> {
  let begun = 0;
  let executed = 0;
  await fc.assert(
    fc.asyncProperty(fc.commands(steps, { maxCommands: STEPS, size: 'max' }), async (schedule) => {
      const stream = begun.toString(16).padStart(40, '0') as StreamId;
      begun++;
      const world = new CoordinationWorld(redis, keys, stream, WORKERS);
      await fc.asyncModelRun(() => ({ model: {}, real: world }), schedule);
      executed += world.stepsTaken;
      await bringToRest(world);
    }),
    { numRuns: schedules },
  );
  return executed;
}
