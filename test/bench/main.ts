import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { parseArgs } from 'node:util';
import { medianRound, runDelivery, type DeliverySpec } from './delivery.js';
import { runFrames } from './frames.js';
import { runJoins, runSlow, runStart, runStorm } from './joins.js';
import { startLab, type Lab } from './lab.js';
import * as report from './report.js';

const HELP = `Measures the proxy against a bare one-process broadcaster in the same run, on loopback.

  npm run bench -- [--only NAMES] [--workers LIST] [--seconds N] [--json FILE]

  --only NAMES    of: start share-500 share-2000 many join storm slow frames (all of them, ~6 min)
  --workers LIST  a proxy is started for each of these numbers of workers (1,2)
  --seconds N     length of each measurement (8)
  --clients N     players of share-500 instead of 500
  --joins N       of the scenario join (200)
  --frames N      joins of the scenario frames, once for the time and once to decode 2 s (50)
  --env K=V       a setting of the proxy, several times
  --rounds N      of the deliveries, one target after the other; the median is shown (1)
  --compare       measures acexy, icecast2 and nginx too, those that are on the PATH. acexy gathers 100 ms of a
                  stream, or ACEXY_BUFFER_SIZE; it serves 10 streams, so it is not in many. nginx sends a file
                  at the streams' rate: no fan-out of one live stream, no copy of the bytes, the limit
  --json FILE     writes every figure there

share-500, share-2000  one stream of 8 Mbit/s;  many  40 streams of 5 Mbit/s with 5 players each
cores                  processor time of all processes of a target, Redis included, per second
ratio                  per byte delivered, against the baseline of the same scenario
p50, p99               from the engine's write to the player's read, at the owner's players
`;

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    workers: { type: 'string', default: '1,2' },
    seconds: { type: 'string', default: '8' },
    clients: { type: 'string', default: '500' },
    joins: { type: 'string', default: '200' },
    frames: { type: 'string', default: '50' },
    env: { type: 'string', multiple: true, default: [] },
    rounds: { type: 'string', default: '1' },
    compare: { type: 'boolean', default: false },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

const MEGABIT = 1_000_000;
const STORM = 2_000;
/** Both ends of 2,000 connections and of the dealt copies are on this machine. */
const FILES_NEEDED = 4_500;

const DELIVERIES: readonly DeliverySpec[] = [
  { name: 'share-500', streams: 1, each: Number(values.clients), bitrate: 8 * MEGABIT },
  { name: 'share-2000', streams: 1, each: 2_000, bitrate: 8 * MEGABIT },
  { name: 'many', streams: 40, each: 5, bitrate: 5 * MEGABIT },
];

type Scenario = (lab: Lab) => Promise<{ readonly results: unknown; readonly text: string }>;

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  start: async (lab) => {
    const results = await runStart(lab, 2);
    return { results, text: report.startTable(results) };
  },
  ...Object.fromEntries(
    DELIVERIES.map((spec): [string, Scenario] => [
      spec.name,
      async (lab) => {
        const rounds = [];
        for (let n = 0; n < Number(values.rounds); n++) rounds.push(await runDelivery(lab, spec));
        return { results: rounds, text: report.deliveryTable(medianRound(rounds)) };
      },
    ]),
  ),
  join: async (lab) => {
    const results = await runJoins(lab, Number(values.joins));
    return { results, text: report.joinTable('joins of a running stream', results) };
  },
  storm: async (lab) => {
    const results = await runStorm(lab, STORM);
    return { results, text: report.joinTable(`${STORM} connects in 2 s`, results) };
  },
  slow: async (lab) => {
    const results = await runSlow(lab);
    return { results, text: report.slowTable(results) };
  },
  frames: async (lab) => {
    const results = await runFrames(lab, Number(values.frames));
    return { results, text: results === null ? '' : report.frameTable(results) };
  },
};

const print = (text: string): void => void process.stdout.write(text);

/** What figures of another machine cannot be compared with. */
function machine(): Record<string, unknown> {
  return {
    at: new Date().toISOString(),
    node: process.version,
    kernel: release(),
    cpus: cpus().length,
    model: cpus()[0]?.model,
    redis: execFileSync('redis-server', ['--version'], { encoding: 'utf8' }).trim(),
  };
}

function checkFiles(): void {
  const limit = execFileSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }).trim();
  if (limit !== 'unlimited' && Number(limit) < FILES_NEEDED) {
    throw new Error(`${FILES_NEEDED} open files are needed, ${limit} are allowed: see "ulimit -n"`);
  }
}

async function run(): Promise<void> {
  checkFiles();
  const names = values.only === '' ? Object.keys(SCENARIOS) : values.only.split(/[ ,]+/);
  const unknown = names.find((name) => !(name in SCENARIOS));
  if (unknown !== undefined) throw new Error(`there is no scenario ${unknown}; see --help`);
  const lab = await startLab({
    workers: values.workers.split(',').map(Number),
    seconds: Number(values.seconds),
    compare: values.compare,
    env: Object.fromEntries(values.env.map((each) => each.split(/=(.*)/s).slice(0, 2))) as Record<
      string,
      string
    >,
  });
  const figures: Record<string, unknown> = {};
  try {
    for (const name of names) {
      const loadAverage = loadavg()[0];
      const { results, text } = await SCENARIOS[name]!(lab);
      figures[name] = { results, loadAverage };
      print(text);
    }
  } finally {
    await lab.stop();
  }
  if (values.json !== undefined) {
    writeFileSync(values.json, `${JSON.stringify({ machine: machine(), figures }, null, 2)}\n`);
  }
}

if (values.help) print(HELP);
else await run();
