// The tables of errors and routes in README.md, rendered from the error catalogue and from the API
// description, and those of docs/players.md, rendered from the last run of `npm run players`: the only
// places where they are written. Runs on the sources.
//   node scripts/docs-tables.mjs            print the tables
//   node scripts/docs-tables.mjs --check    exit 1 when a document is stale
//   node scripts/docs-tables.mjs --write    bring them up to date
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { tsImport } from 'tsx/esm/api';
import { parse } from 'yaml';
import { playersSections } from './lib/players-tables.mjs';
import { table, withSections } from './lib/tables.mjs';

const pathOf = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const OPENAPI = fileURLToPath(new URL('../src/worker/http/openapi.yaml', import.meta.url));

const { ERRORS } = await tsImport('../src/shared/errors.ts', import.meta.url);
const documents = [
  {
    name: 'README.md',
    sections: [
      { name: 'errors', render: errorsTable },
      { name: 'routes', render: routesTable },
    ],
  },
  { name: 'docs/players.md', sections: playersSections(pathOf('docs/players.json')) },
];

function errorsTable() {
  const rows = Object.entries(ERRORS)
    .sort(([, a], [, b]) => a.status - b.status)
    .map(([code, { status, message, retryAfter }]) => [
      `\`${code}\``,
      String(status),
      retryAfter === undefined ? '' : `${retryAfter} s`,
      message,
    ]);
  return table(['Code', 'Status', 'Retry-After', 'Meaning'], rows);
}

function routesTable() {
  const { paths } = parse(readFileSync(OPENAPI, 'utf8'));
  const rows = Object.entries(paths).flatMap(([path, operations]) =>
    ['get', 'head', 'post', 'delete']
      .filter((method) => operations[method] !== undefined)
      .map((method) => [
        `\`${method.toUpperCase()} ${path}\``,
        operations[method].summary,
        keyNeeded(operations[method]),
      ]),
  );
  return table(['Route', 'Does', 'Needs the key'], rows);
}

/** No `security`: open; with `{}` as an alternative: a listing (spec 6), or as the route says. */
function keyNeeded({ security, 'x-needs-key': said }) {
  if (said !== undefined) return said;
  if (security === undefined) return 'no';
  return security.some((way) => Object.keys(way).length === 0) ? 'when one is configured' : 'yes';
}

const mode = process.argv[2];
if (mode === undefined) {
  for (const { sections } of documents)
    console.log(sections.map(({ render }) => render()).join('\n\n'));
} else if (mode === '--check' || mode === '--write') {
  for (const { name, sections } of documents) {
    try {
      const current = readFileSync(pathOf(name), 'utf8');
      const wanted = withSections(current, name, sections);
      if (wanted !== current && mode === '--write') writeFileSync(pathOf(name), wanted);
      if (wanted !== current && mode === '--check') {
        throw new Error(`${name} is stale: run "node scripts/docs-tables.mjs --write"`);
      }
    } catch (error) {
      console.error(error.message);
      process.exitCode = 1;
    }
  }
} else {
  console.error('usage: node scripts/docs-tables.mjs [--check | --write]');
  process.exitCode = 2;
}
