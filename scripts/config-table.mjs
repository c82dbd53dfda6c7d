// The settings table of README.md and .env.example, rendered from the schema, which is the only
// place where a variable is described. Runs on the sources, so a fresh clone needs no build.
//   node scripts/config-table.mjs            print the table
//   node scripts/config-table.mjs --check    exit 1 when README.md or .env.example is stale
//   node scripts/config-table.mjs --write    bring both up to date
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { tsImport } from 'tsx/esm/api';

const START = '<!-- config:start -->';
const END = '<!-- config:end -->';
const pathOf = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));

const { configTable, envExample } = await tsImport(
  '../src/shared/config/table.ts',
  import.meta.url,
);

function readmeWithTable(readme) {
  const start = readme.indexOf(START);
  const end = readme.indexOf(END);
  if (start < 0 || end < start) throw new Error(`README.md lacks ${START} … ${END}`);
  return `${readme.slice(0, start + START.length)}\n\n${configTable()}\n\n${readme.slice(end)}`;
}

const targets = [
  { name: 'README.md', render: readmeWithTable },
  { name: '.env.example', render: () => envExample() },
];

const mode = process.argv[2];
if (mode === undefined) {
  console.log(configTable());
} else if (mode === '--check' || mode === '--write') {
  for (const { name, render } of targets) {
    const path = pathOf(name);
    const current = existsSync(path) ? readFileSync(path, 'utf8') : '';
    let wanted;
    try {
      wanted = render(current);
    } catch (error) {
      console.error(error.message);
      process.exitCode = 1;
      continue;
    }
    if (wanted === current) continue;
    if (mode === '--write') {
      writeFileSync(path, wanted);
    } else {
      console.error(`${name} is stale: run "node scripts/config-table.mjs --write"`);
      process.exitCode = 1;
    }
  }
} else {
  console.error('usage: node scripts/config-table.mjs [--check | --write]');
  process.exitCode = 2;
}
