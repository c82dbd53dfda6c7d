import { setTimeout as delay } from 'node:timers/promises';
import { SeededRandom } from '../simulator/random.js';
import type { World } from './world.js';

/** Players at a time, on average. */
const PLAYERS = 24;
/** ms between two steps. */
const STEP_MS = 100;
/** Steps between two kills, and between two faults of an engine. */
const KILL_EVERY = 70;
const FAULT_EVERY = 25;
const FAULT_MS = 1_300;

/** One stretch of load: players come, go and zap, a worker is killed, engines misbehave. */
export async function runRound(
  world: World,
  options: {
    readonly seconds: number;
    readonly seed: number;
    readonly survivors: ReadonlySet<number>;
  },
): Promise<void> {
  const random = new SeededRandom(options.seed);
  const steps = Math.round((options.seconds * 1_000) / STEP_MS);
  for (let step = 1; step <= steps; step++) {
    if (world.players.length < PLAYERS) world.join(random.below(1_000));
    const some = world.players[random.below(world.players.length)];
    if (some !== undefined) {
      const luck = random.below(10);
      // A zap: another stream at once.
      if (luck < 3 || some.closed) {
        world.leave(some);
        world.join(random.below(1_000));
      } else if (luck < 4) world.leave(some);
      else if (luck < 5) some.pause();
      else if (luck < 7) some.resume();
    }
    if (step % KILL_EVERY === 0) world.killWorker(options.survivors);
    if (step % FAULT_EVERY === 0) void misbehave(world, random);
    await delay(STEP_MS);
  }
}

async function misbehave({ engines, proxy, counts }: World, random: SeededRandom): Promise<void> {
  const engine = engines[random.below(engines.length)];
  if (engine === undefined) return;
  counts.faults++;
  switch (random.below(5)) {
    case 0:
      engine.dropReaders('fin');
      break;
    case 1:
      engine.dropReaders('rst');
      break;
    case 2:
      engine.stall(true);
      await delay(FAULT_MS);
      engine.stall(false);
      break;
    case 3:
      engine.garbage(true);
      await delay(FAULT_MS);
      engine.garbage(false);
      break;
    default:
      await proxy.look.call('CLIENT', 'KILL', 'SKIPME', 'yes');
  }
}
