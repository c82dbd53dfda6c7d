// The tables of errors and routes in README.md, rendered from the error catalogue and from the API
// description, which are the only places where they are written. Runs on the sources.
//   node scripts/docs-tables.mjs            print the tables
//   node scripts/docs-tables.mjs --check    exit 1 when README.md is stale
//   node scripts/docs-tables.mjs --write    bring it up to date
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { tsImport } from 'tsx/esm/api';
import { parse } from 'yaml';

const README = fileURLToPath(new URL('../README.md', import.meta.url));
const OPENAPI = fileURLToPath(new URL('../src/worker/http/openapi.yaml', import.meta.url));

const { ERRORS } = await tsImport('../src/shared/errors.ts', import.meta.url);
const sections = [
  { name: 'errors', render: errorsTable },
  { name: 'routes', render: routesTable },
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

/** Padded as prettier pads tables. */
function table(headings, rows) {
  const escaped = rows.map((row) => row.map((cell) => cell.replaceAll('|', '\\|')));
  const widths = headings.map((heading, at) =>
    Math.max(...[heading, ...escaped.map((row) => row[at])].map(({ length }) => length)),
  );
  const line = (row) => `| ${row.map((cell, at) => cell.padEnd(widths[at])).join(' | ')} |`;
  const ruler = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return [line(headings), ruler, ...escaped.map(line)].join('\n');
}

function withTables(readme) {
  return sections.reduce((text, { name, render }) => {
    const [opening, closing] = [`<!-- ${name}:start -->`, `<!-- ${name}:end -->`];
    const start = text.indexOf(opening);
    const end = text.indexOf(closing);
    if (start < 0 || end < start) throw new Error(`README.md lacks ${opening} … ${closing}`);
    return `${text.slice(0, start + opening.length)}\n\n${render()}\n\n${text.slice(end)}`;
  }, readme);
}

const mode = process.argv[2];
if (mode === undefined) {
  console.log(sections.map(({ render }) => render()).join('\n\n'));
} else if (mode === '--check' || mode === '--write') {
  try {
    const current = readFileSync(README, 'utf8');
    const wanted = withTables(current);
    if (wanted !== current && mode === '--write') writeFileSync(README, wanted);
    if (wanted !== current && mode === '--check') {
      throw new Error('README.md is stale: run "node scripts/docs-tables.mjs --write"');
    }
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
} else {
  console.error('usage: node scripts/docs-tables.mjs [--check | --write]');
  process.exitCode = 2;
}
