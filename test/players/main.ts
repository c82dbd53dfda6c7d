import { parseArgs } from 'node:util';
import type { Stage } from '../helpers/stage.js';
import { FAULTS } from './faults.js';
import { liveThrough, openStage, startOnce, type Start, type Survivals } from './lab.js';
import { rowOf, save, table, type Results } from './report.js';
import { castOf, type Cast } from './subjects.js';

const HELP = `Runs the players of this machine against a real proxy.

  npm run players -- [--part NAME] [--only TEXT] [--runs N] [--gap S] [--save] [--json]

  --part NAME    one of: times, ${FAULTS.map(({ id }) => id).join(', ')}
  --only TEXT    only players whose name contains it
  --runs N       starts of each player (3)
  --gap S        seconds that the engine is silent, and that it is gone (10)
  --save         into docs/players.json; then "npm run docs" brings docs/players.md up to date
  --json         JSON instead of the table

Without --part it takes about two minutes. The players run one by one for their times, and all at
once in each fault.
`;

const { values } = parseArgs({
  options: {
    part: { type: 'string', default: '' },
    only: { type: 'string', default: '' },
    runs: { type: 'string', default: '3' },
    gap: { type: 'string', default: '10' },
    save: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const say = (text: string): void => void process.stderr.write(`${text}\n`);

const inPart = (name: string): boolean => values.part === '' || values.part === name;

async function timeAll(stage: Stage, cast: Cast): Promise<Map<string, Start[]>> {
  const starts = new Map<string, Start[]>();
  for (const subject of cast.subjects) {
    say(`time to picture: ${subject.name}`);
    const all: Start[] = [];
    for (let i = 0; i < Number(values.runs); i += 1) all.push(await startOnce(stage, subject));
    starts.set(subject.name, all);
  }
  return starts;
}

async function injectAll(stage: Stage, cast: Cast): Promise<Map<string, Survivals>> {
  const survivals = new Map<string, Survivals>();
  const seated = cast.subjects.filter(({ variant }) => !variant);
  for (const fault of FAULTS.filter(({ id }) => inPart(id))) {
    say(`fault: ${fault.title}`);
    const lived = await liveThrough(stage, fault, seated, Number(values.gap) * 1_000);
    for (const [name, survival] of lived)
      survivals.set(name, { ...survivals.get(name), [fault.id]: survival });
  }
  return survivals;
}

async function run(): Promise<Results> {
  const cast = await castOf(values.only);
  for (const name of cast.missing) say(`not installed, left out: ${name}`);
  const stage = await openStage();
  try {
    const starts = inPart('times') ? await timeAll(stage, cast) : new Map<string, Start[]>();
    const survivals = await injectAll(stage, cast);
    return {
      date: new Date().toISOString().slice(0, 10),
      node: process.versions.node,
      gapSeconds: Number(values.gap),
      missing: cast.missing,
      players: cast.subjects.map((subject) =>
        rowOf(subject, starts.get(subject.name), survivals.get(subject.name)),
      ),
    };
  } finally {
    await cast.close();
    await stage.proxy.stop();
    await stage.engine.stop();
  }
}

if (values.help) {
  process.stdout.write(HELP);
} else {
  const results = await run();
  process.stdout.write(
    values.json ? `${JSON.stringify(results, null, 2)}\n` : table(results.players),
  );
  if (values.save) save(results);
}
