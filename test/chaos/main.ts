import { parseArgs } from 'node:util';
import { ALL_CASES } from './cases.js';
import { runCase, type ChaosResult } from './lab.js';

const HELP = `Injects every fault of the specification into a real proxy while players watch.

  npm run chaos -- [--players N] [--bitrate BIT/S] [--only TEXT] [--json]

  --players N      players on two workers (20)
  --bitrate BIT/S  of the stamped stream (6000000)
  --only TEXT      only the faults whose name contains it
  --json           one line per fault instead of the table

Exits with 1 when a socket was closed, a packet got lost unmarked, or anything was left behind.
`;

const { values } = parseArgs({
  options: {
    players: { type: 'string', default: '20' },
    bitrate: { type: 'string', default: '6000000' },
    only: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const HEADER = [
  'fault',
  'players',
  'closed',
  'gap ms',
  'lost',
  'twice',
  'order',
  'off grid',
  'marked',
  'sessions',
  'keys',
  'readers',
  's',
];

const print = (text: string): void => void process.stdout.write(text);

if (values.help) {
  print(HELP);
} else {
  const cases = ALL_CASES.filter(({ fault }) => fault.includes(values.only));
  const results: ChaosResult[] = [];
  if (!values.json) print(row(HEADER));
  for (const chaos of cases) {
    const result = await runCase(chaos, {
      players: Number(values.players),
      bitrate: Number(values.bitrate),
    });
    results.push(result);
    print(values.json ? `${JSON.stringify(result)}\n` : row(cells(result)));
    for (const violation of result.violations) print(`    ${violation}\n`);
  }
  process.exitCode = results.every(isClean) ? 0 : 1;
}

function isClean(result: ChaosResult): boolean {
  const { socketsClosed, lost, reordered, sessionsLeft, keysLeft } = result;
  return socketsClosed + lost + reordered + sessionsLeft + keysLeft === 0;
}

function cells(r: ChaosResult): string[] {
  return [
    r.fault,
    ...[r.players, r.socketsClosed, r.longestGapMs, r.lost, r.duplicated, r.reordered],
    ...[r.misaligned, r.markedSplices, r.sessionsLeft, r.keysLeft, r.maxReaders, r.seconds],
  ].map(String);
}

function row([fault = '', ...rest]: readonly string[]): string {
  return `${fault.padEnd(50)}${rest.map((cell) => cell.padStart(9)).join('')}\n`;
}
