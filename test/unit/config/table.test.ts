import { readFileSync } from 'node:fs';

import { expect } from 'chai';
import { format } from 'prettier';

import { VARIABLE_NAMES } from '../../../src/shared/config/schema.js';
import { configTable, envExample } from '../../../src/shared/config/table.js';

describe('configTable', () => {
  it('has a row for every variable', () => {
    const rows = configTable().split('\n').slice(2);
    expect(rows.map((row) => /^\| `(\w+)` /.exec(row)?.[1])).to.deep.equal(VARIABLE_NAMES);
  });

  it('is left alone by prettier, which formats the README too', async () => {
    const table = configTable();
    expect(await format(table, { parser: 'markdown' })).to.equal(`${table}\n`);
  });
});

describe('.env.example', () => {
  it('is what the schema says', () => {
    const path = new URL('../../../.env.example', import.meta.url);
    expect(readFileSync(path, 'utf8')).to.equal(envExample());
  });
});
