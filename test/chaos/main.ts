import { parseArgs } from 'node:util';
import { ALL_CASES } from './cases.js';
import { runCase, type ChaosCase, type ChaosResult } from './lab.js';

const HELP = `Injects every fault of the specification into a real proxy while players watch.

  npm run chaos -- [--players N] [--mbit N] [--workers N] [--only TEXT] [--json]

  --players N   players of one stream (20)
  --mbit N      Mbit/s of the stamped stream (6)
  --workers N   worker processes (2)
  --only TEXT   only the faults whose name contains it
  --json        one line per fault instead of the table

Gap (ms without media), lost and marked packets are told apart: players of the owner's worker /
players of the others. "sessions" are engine sessions started / stopped by the proxy; "left" are
sessions, keys, sockets that remain after all have left.

Exits with 1 when a socket was closed, a packet got lost unmarked, a gap was too long, or anything
was left behind.
`;

const { values } = parseArgs({
  options: {
    players: { type: 'string', default: '20' },
    mbit: { type: 'string', default: '6' },
    workers: { type: 'string', default: '2' },
    only: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

/** Column → width. */
const COLUMNS = {
  fault: 54,
  players: 8,
  closed: 7,
  'gap ms': 14,
  lost: 7,
  marked: 8,
  'twice/order/grid': 17,
  sessions: 9,
  left: 7,
  readers: 8,
  s: 6,
} as const;

const print = (text: string): void => void process.stdout.write(text);

if (values.help) {
  print(HELP);
} else {
  const startedAt = Date.now();
  const results: (readonly [ChaosCase, ChaosResult])[] = [];
  if (!values.json) print(row(Object.keys(COLUMNS)));
  for (const chaos of ALL_CASES.filter(({ fault }) => fault.includes(values.only))) {
    const result = await runCase(chaos, {
      players: Number(values.players),
      bitrate: Number(values.mbit) * 1_000_000,
      workers: Number(values.workers),
    });
    results.push([chaos, result]);
    print(values.json ? `${JSON.stringify(result)}\n` : row(cells(result)));
    for (const fault of faultsOf(chaos, result)) print(`    ${fault}\n`);
  }
  const clean = results.filter(([chaos, result]) => faultsOf(chaos, result).length === 0).length;
  const seconds = Math.round((Date.now() - startedAt) / 1_000);
  print(`${String(clean)} of ${String(results.length)} faults clean, ${String(seconds)} s\n`);
  process.exitCode = clean === results.length ? 0 : 1;
}

/** What is wrong with a result, in words. */
function faultsOf(chaos: ChaosCase, result: ChaosResult): string[] {
  const { atOwner, atFollowers, sessionsLeft, keysLeft, socketsLeft, violations } = result;
  const late = Math.max(atOwner.gapMs, atFollowers.gapMs);
  const atOwnerMs = chaos.maxGapAtOwnerMs ?? chaos.maxGapMs;
  const lost = atOwner.lost + atFollowers.lost + result.duplicated + result.reordered;
  const exact = chaos.exact === true && atOwner.marked + atFollowers.marked > 0;
  return [
    ...(result.socketsClosed > 0 ? [`${String(result.socketsClosed)} sockets closed`] : []),
    ...(lost > 0 ? ['packets lost, twice or out of order'] : []),
    ...(exact ? ['a splice where every byte was to be there'] : []),
    ...(late > chaos.maxGapMs ? [`a gap longer than ${String(chaos.maxGapMs)} ms`] : []),
    ...(atOwner.gapMs > atOwnerMs ? [`at the owner longer than ${String(atOwnerMs)} ms`] : []),
    ...(sessionsLeft + keysLeft + socketsLeft > 0 ? ['something is left behind'] : []),
    ...(result.maxReaders > 1 ? ['two readers of one engine session'] : []),
    ...violations,
  ];
}

function cells(r: ChaosResult): string[] {
  const pair = (pick: (group: ChaosResult['atOwner']) => number): string =>
    `${String(pick(r.atOwner))}/${String(pick(r.atFollowers))}`;
  return [
    r.fault,
    String(r.players),
    String(r.socketsClosed),
    pair(({ gapMs }) => gapMs),
    pair(({ lost }) => lost),
    pair(({ marked }) => marked),
    [r.duplicated, r.reordered, r.misaligned].join('/'),
    `${String(r.sessionsStarted)}/${String(r.sessionsStopped)}`,
    [r.sessionsLeft, r.keysLeft, r.socketsLeft].join('/'),
    String(r.maxReaders),
    r.seconds.toFixed(1),
  ];
}

function row(texts: readonly string[]): string {
  const widths = Object.values(COLUMNS);
  return `${texts
    .map((text, n) => (n === 0 ? text.padEnd(widths[n] ?? 0) : text.padStart(widths[n] ?? 0)))
    .join('')}\n`;
}
