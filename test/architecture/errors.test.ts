import { existsSync } from 'node:fs';
import { expect } from 'chai';
import { ERRORS } from '../../src/shared/errors.js';
import { runScript } from '../helpers/run-script.js';

const README = new URL('../../README.md', import.meta.url);

describe('the error catalogue', () => {
  it('has codes in capitals, statuses of errors, and messages that are sentences', () => {
    for (const [code, { status, message }] of Object.entries(ERRORS)) {
      expect(code).to.match(/^[A-Z]+(_[A-Z]+)*$/);
      expect(status, code).to.be.within(400, 599);
      expect(message, code).to.match(/^[A-Z].*\.$/);
    }
  });

  it('offers to wait with every 503', () => {
    for (const [code, definition] of Object.entries(ERRORS)) {
      if (definition.status === 503) expect(definition, code).to.have.property('retryAfter');
    }
  });

  it('is rendered whole, with every route, for the README', async () => {
    const { code, stdout } = await runScript('docs-tables.mjs', []);
    expect(code).to.equal(0);
    for (const name of Object.keys(ERRORS)) expect(stdout).to.include(`| \`${name}\``);
    expect(stdout).to.include('`GET /ace/getstream`').and.include('`POST /engines/{id}/drain`');
  });

  it('is in the README as it is here', async function () {
    if (!existsSync(README)) this.skip();
    const { code, stderr } = await runScript('docs-tables.mjs', ['--check']);
    expect(stderr).to.equal('');
    expect(code).to.equal(0);
  });
});
