import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import fc from 'fast-check';
import {
  digestOf,
  parseUsers,
  userOfDigest,
  UserListError,
} from '../../../src/worker/access/user-list.js';

const TOKEN = 'a-token-of-16-or-more';
const parse = (value: unknown) => parseUsers(Buffer.from(JSON.stringify(value)));

function faultsOf(bytes: Buffer | string): string[] {
  try {
    parseUsers(Buffer.from(bytes));
  } catch (error) {
    expect(error).to.be.instanceOf(UserListError);
    return (error as UserListError).faults.map(({ where, message }) => `${where}: ${message}`);
  }
  return [];
}
const faults = (value: unknown): string[] => faultsOf(JSON.stringify(value));

describe('The list of users', () => {
  it('has the sample in config', () => {
    const users = parseUsers(
      readFileSync(new URL('../../../config/users.example.json', import.meta.url)),
    );
    expect([...users.keys()]).to.deep.equal(['anna', 'living-room']);
  });

  it('finds a user by the token, written as it is or as its digest', () => {
    const digest = digestOf('another-token-0123456');
    const users = parse([
      { name: 'anna', token: TOKEN, max_clients: 2, expires: '2030-12-31T18:00:00+01:00' },
      { name: 'bert', token_sha256: digest.toString('hex').toUpperCase() },
    ]);
    expect(userOfDigest(users, digestOf(TOKEN))).to.include({
      ...{ name: 'anna', maxClients: 2, expires: Date.UTC(2030, 11, 31, 17), networks: null },
    });
    expect(userOfDigest(users, digest)).to.include({ name: 'bert', maxClients: 0, expires: null });
    expect(userOfDigest(users, digestOf('x'))).to.equal(null);
  });

  it('counts a day up to its end', () => {
    expect(parse([{ name: 'a', token: TOKEN, expires: '2030-12-31' }]).get('a')?.expires).to.equal(
      Date.UTC(2031, 0, 1),
    );
  });

  it('names every fault with its place', () => {
    expect(
      faults([
        { name: 'Anna', token: TOKEN },
        { name: 'bert', token: 'short' },
        { name: 'carl', token: TOKEN, token_sha256: 'a'.repeat(64) },
        { name: 'dora', token: `${TOKEN}4`, max_client: 1 },
        {
          name: 'emil',
          token: `${TOKEN}5`,
          max_clients: 0,
          expires: 'tomorrow',
          networks: ['10/8'],
        },
        { token: `${TOKEN}6` },
        7,
      ]),
    ).to.deep.equal([
      'user 1: name is 1 to 64 of a-z, 0-9 and . _ -, and begins with a letter or a digit',
      'user 2 (bert): token is 16 to 128 of letters, digits and . _ ~ -',
      'user 3 (carl): one of token and token_sha256 is needed, and only one',
      'user 4 (dora): unknown field: did you mean max_clients?',
      'user 5 (emil): expires is a day such as 2030-12-31, or an instant such as 2030-12-31T18:00:00Z',
      'user 5 (emil): max_clients is a whole number from 1 to 10000',
      'user 5 (emil): networks is a list of IP addresses and networks such as "192.168.0.0/16"',
      'user 6: name is missing',
      'user 7: must be a JSON object',
    ]);
  });

  it('has each name and each token once', () => {
    expect(
      faults([
        { name: 'anna', token: TOKEN },
        { name: 'anna', token: `${TOKEN}2` },
        { name: 'bert', token_sha256: digestOf(TOKEN).toString('hex') },
      ]),
    ).to.deep.equal([
      'user 2 (anna): this name stands twice',
      'user 3 (bert): another user has the same token',
    ]);
  });

  it('takes no time that is none', () => {
    for (const expires of [
      '2030-02-30',
      '2030-13-01',
      '2030-12-31T25:00:00Z',
      '2030-12-31T18:00:00',
      '31.12.2030',
      '',
      '2030-12-31 18:00Z',
      1893456000,
      null,
    ]) {
      expect(faults([{ name: 'a', token: TOKEN, expires }]), String(expires)).to.have.length(1);
    }
  });

  it('never repeats a token in a fault', () => {
    const secret = 'do-not-show-me-0123456789';
    const broken = [
      `[{"name":"a","token":"${secret}`,
      `[{"name":"a","token":"${secret}"}] x`,
      `[{"name":"a","${secret}":1,"token":"${secret}"}]`,
      `[{"name":"a","token":["${secret}"]}]`,
      `[{"name":"a","token":"${secret} "},{"name":"b","token":"${secret}"},{"name":"c","token":"${secret}"}]`,
      `"${secret}"`,
      secret,
    ];
    for (const text of broken) {
      const found = faultsOf(text);
      expect(found, text).to.not.be.empty;
      expect(found.join(), text).to.not.include(secret.slice(0, 6));
    }
  });

  it('is good or has faults, whatever the file holds', () => {
    const field = fc.constantFrom(
      'name',
      'token',
      'token_sha256',
      'expires',
      'max_clients',
      'networks',
      '__proto__',
      'x',
    );
    const value = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom<unknown>(
        'anna',
        TOKEN,
        'a'.repeat(64),
        '2030-12-31',
        2,
        ['10.0.0.0/8'],
        ['', '1.2.3.4/99'],
      ),
    );
    const entry = fc.oneof(fc.dictionary(field, value, { maxKeys: 5 }), fc.jsonValue());
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 4 }), (entries) => void faults(entries)),
      { numRuns: 2_000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => void faultsOf(Buffer.from(bytes))),
      {
        numRuns: 1_000,
      },
    );
  });
});
