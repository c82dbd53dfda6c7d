// The measured tables of docs/players.md, from what `npm run players -- --save` has left.
import { readFileSync } from 'node:fs';
import { table } from './tables.mjs';

const FAULTS = ['stall', 'gone', 'kill', 'reload'];

/** @param {string} path of the results */
export function playersSections(path) {
  const results = JSON.parse(readFileSync(path, 'utf8'));
  const players = results.players.filter(({ variant }) => !variant);
  return [
    { name: 'run', render: () => aboutRun(results) },
    { name: 'times', render: () => timesTable(results.players) },
    { name: 'faults', render: () => faultsTable(players, results.gapSeconds) },
    { name: 'requests', render: () => requestsTable(players) },
  ];
}

function aboutRun({ date, node, missing }) {
  const left = missing.length === 0 ? 'none' : missing.join(', ');
  return `Measured on ${date} with Node ${node}. Not installed there and left out: ${left}.`;
}

function timesTable(players) {
  const rows = players.map(({ name, version, pictureMs = [], seen }) => [
    `\`${name}\``,
    version,
    pictureMs.length === 0 ? '' : milliseconds(middle(pictureMs)),
    pictureMs.map(milliseconds).join(', '),
    seen,
  ]);
  return table(['Player', 'Version', 'Median', 'Each start', 'A picture is'], rows);
}

function faultsTable(players, gap) {
  const headings = [
    'Player',
    `Engine silent for ${String(gap)} s`,
    `Engine dead for ${String(gap)} s`,
    '`kill -9` of its worker',
    'Rolling reload',
  ];
  const rows = players.map(({ name, survivals = {} }) => [
    `\`${name}\``,
    ...FAULTS.map((fault) => survival(survivals[fault])),
  ]);
  return table(headings, rows);
}

function requestsTable(players) {
  const rows = players.map(({ name, requests = [] }) => [
    `\`${name}\``,
    String(requests.length),
    [...new Set(requests)].map((request) => `\`${request}\``).join('; '),
  ]);
  return table(['Player', 'Connections', 'Asks with'], rows);
}

function survival(found) {
  if (found === undefined) return '';
  const { plays, sameConnection, stillMs } = found;
  if (!plays) return '**stops**';
  const still = `still for ${(stillMs / 1_000).toFixed(1)} s`;
  return sameConnection ? still : `${still}, connects again`;
}

function middle(values) {
  const sorted = [...values].sort((a, b) => (a ?? Infinity) - (b ?? Infinity));
  return sorted[sorted.length >> 1];
}

function milliseconds(value) {
  return value === null ? 'none' : `${String(value)} ms`;
}
