import { parseArgs } from 'node:util';
import { runModel } from '../helpers/coordination-model.js';
import { openRedisFixture } from '../helpers/redis-fixture.js';
import { CrashLab } from './crashes.js';
import { RaceWorld, type RaceResult } from './race-world.js';
import { zap } from './zapping.js';

const HELP = `Runs the races of starts, returns and stops, and at every step of a start kills its worker or cuts
its connection to Redis.

  npm run races -- [--only opens|returns|zaps|crashes|cuts|model] [--opens N] [--returns MS] [--seconds N]
                   [--from N] [--to N] [--schedules N]

  --opens N     times that 8 workers open one channel at once (1000)
  --returns MS  a player comes back at each ms up to here (500)
  --seconds N   of 20 zaps a second (10)
  --schedules N random schedules of the model of the coordination (3000)
  --from, --to  the steps of a start at which that happens (all)

After each: engine sessions started = stopped, no key, no socket, no slot is left. Exits with 1
otherwise.
`;

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    opens: { type: 'string', default: '1000' },
    returns: { type: 'string', default: '500' },
    seconds: { type: 'string', default: '10' },
    from: { type: 'string', default: '0' },
    to: { type: 'string', default: 'Infinity' },
    schedules: { type: 'string', default: '3000' },
    help: { type: 'boolean', default: false },
  },
});

const print = (text: string): void => void process.stdout.write(`${text}\n`);
const wanted = (name: string): boolean => values.only === '' || values.only === name;
const found: string[] = [];

if (values.help) {
  print(HELP);
} else {
  if (wanted('opens') || wanted('returns')) await runWorld();
  if (wanted('zaps')) report(await zap(Number(values.seconds)));
  if (wanted('crashes')) await runCrashes();
  if (wanted('cuts')) await runCuts();
  if (wanted('model')) await checkModel(Number(values.schedules));
  process.exitCode = found.length === 0 ? 0 : 1;
}

async function runWorld(): Promise<void> {
  const world = await RaceWorld.open();
  if (wanted('opens')) report(await world.openAtOnce(Number(values.opens)));
  if (wanted('returns')) report(await world.comeBack(Number(values.returns)));
  await world.close();
}

async function runCrashes(): Promise<void> {
  const lab = await CrashLab.open();
  const steps = await lab.steps();
  print(`a start has ${String(steps.length)} steps: ${steps.join(', ')}`);
  const last = Math.min(steps.length - 1, Number(values.to));
  for (let n = Number(values.from); n <= last; n++) {
    for (const when of ['before', 'after'] as const) {
      const { step, waitedMs, nextMs, faults } = await lab.crash(n, when);
      const times = `the waiting player ${String(waitedMs)} ms, the next ${String(nextMs)} ms`;
      print(`killed ${step.padEnd(30)} media again: ${times}`);
      complain(faults);
    }
  }
  await lab.close();
}

async function runCuts(): Promise<void> {
  const lab = await CrashLab.open();
  const commands = (await lab.steps()).filter((name) => !name.startsWith('engine'));
  const last = Math.min(commands.length - 1, Number(values.to));
  for (let n = Number(values.from); n <= last; n++) {
    for (const when of ['before', 'after'] as const) {
      const { step, waitedMs, faults } = await lab.cut(n, when);
      print(`connection cut ${step.padEnd(25)} media after ${String(waitedMs)} ms`);
      complain(faults);
    }
  }
  await lab.close();
}

async function checkModel(schedules: number): Promise<void> {
  const fixture = await openRedisFixture();
  try {
    const steps = await runModel(fixture, schedules);
    print(
      `${String(schedules)} schedules of the model, ${String(steps)} commands: all invariants hold`,
    );
  } catch (error) {
    complain([String(error)]);
  }
  await fixture.close();
}

function report({ what, sessionsStarted, sessionsStopped, faults, seconds }: RaceResult): void {
  const sessions = `sessions ${String(sessionsStarted)} started, ${String(sessionsStopped)} stopped`;
  print(`${what}: ${sessions}, ${seconds.toFixed(1)} s`);
  if (sessionsStarted !== sessionsStopped) found.push(what);
  complain(faults);
}

function complain(faults: readonly string[]): void {
  found.push(...faults);
  for (const fault of faults.slice(0, 20)) print(`    ${fault}`);
}
