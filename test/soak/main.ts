import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { runRound } from './round.js';
import { table, trendsOf } from './report.js';
import { sampleAtRest, type RestSample } from './sample.js';
import { Snapshots } from './snapshots.js';
import { World } from './world.js';

const HELP = `Looks for what grows: players come, go and zap, a worker is killed, engines and Redis' connections fail.

  npm run soak -- [--minutes N | --long] [--round SECONDS] [--seed N] [--log FILE] [--snapshots FOLDER] [--json]

  --minutes N      length of the run (3)
  --long           30 minutes
  --round SECONDS  load between two rests (12)
  --seed N         of what happens (1)
  --log FILE       the proxy's log goes there at the end
  --snapshots FOLDER  heap snapshots after a sixth, a half and all of the run, and what grew between them

Lives and time-outs are scaled down: records live 4 s instead of 60, a grace period 0.6 s instead of 5. After each
round all players leave, garbage is collected in each process, and what is left is noted. The first third only warms
up: code is compiled, pools are filled. The heap is counted without compiled code. The table compares the rests: growth per hour by a straight line through them, and how sure that is. Only the
processes that live all the time are compared; one of the three workers is the one that is killed.

Exits with 1 when something grows beyond doubt, when a rest leaves a key or a session, when the primary has to end a
worker (it hangs where the machine has no time for it), or when the proxy does not end in order.
`;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '3' },
    long: { type: 'boolean', default: false },
    round: { type: 'string', default: '12' },
    seed: { type: 'string', default: '1' },
    log: { type: 'string' },
    snapshots: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const print = (text: string): void => void process.stdout.write(text);

async function run(): Promise<boolean> {
  const minutes = values.long ? 30 : Number(values.minutes);
  const snapshots = values.snapshots === undefined ? null : new Snapshots(values.snapshots);
  const beginsAt = performance.now();
  const over = (): number => (performance.now() - beginsAt) / (minutes * 60_000);
  const world = await World.make();
  const survivors = world.survivors();
  const samples: RestSample[] = [];
  let code: number | null;
  try {
    for (let round = 0; round === 0 || over() < 1; round++) {
      await runRound(world, {
        seconds: Number(values.round),
        seed: Number(values.seed) + round,
        survivors,
      });
      await world.rest();
      const sample = await sampleAtRest(world.proxy, {
        folder: world.folder,
        survivors,
        at: performance.now(),
        snapshot: snapshots?.due(over()) ?? null,
      });
      samples.push(sample);
    }
  } finally {
    code = await world.end();
    if (values.log !== undefined) writeFileSync(values.log, world.log());
  }
  const judged = samples.slice(Math.floor(samples.length / 3));
  const trends = trendsOf(judged);
  const { counts } = world;
  const unplanned = [...world.unplannedEnds(), ...world.breaches];
  if (values.json)
    print(`${JSON.stringify({ counts, unplanned, trends, samples: judged.length })}\n`);
  else {
    print(table(trends));
    const happened = Object.entries(counts).map(([name, count]) => `${name} ${String(count)}`);
    print(`\n${String(judged.length)} rests; ${happened.join(', ')}; exit code ${String(code)}\n`);
    for (const reason of unplanned) print(`not planned: ${reason}\n`);
    print(snapshots?.report() ?? '');
  }
  return code === 0 && unplanned.length === 0 && !trends.some(({ grows }) => grows);
}

if (values.help) print(HELP);
else process.exitCode = (await run()) ? 0 : 1;
