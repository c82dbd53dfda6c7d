import { expect } from 'chai';
import fc from 'fast-check';
import { ERRORS } from '../../../src/shared/errors.js';
import { signatureOf, type SignedTarget } from '../../../src/shared/signed-url.js';
import type { Credential } from '../../../src/worker/access/credential.js';
import { decideMedia, type MediaAsk, type MediaRules } from '../../../src/worker/access/decide.js';
import { Networks } from '../../../src/worker/access/networks.js';
import { digestOf, parseUsers } from '../../../src/worker/access/user-list.js';

const KEY = 'the-api-key-0123456789';
const SHARED = 'the-shared-token-01';
const ANNA = 'annas-own-token-0123';
const BERT = 'berts-own-token-0123';
const SECRET = 'a-secret-of-32-characters-or-so';
const OLD_SECRET = 'the-secret-of-before-it';
const NOW = Date.UTC(2030, 0, 1);
const EXPIRES = NOW / 1_000 + 60;

const TARGET: SignedTarget = { path: '/ace/getstream', content: `id=${'a'.repeat(40)}` };
const USERS = parseUsers(
  Buffer.from(
    JSON.stringify([
      { name: 'anna', token: ANNA, networks: ['10.0.0.0/8'] },
      { name: 'bert', token: BERT, expires: '2029-12-31' },
    ]),
  ),
);
const OPEN: MediaRules = {
  ...{ networks: null, tokens: [], apiKey: digestOf(KEY), users: 'off', secrets: [] },
};
const ALL: MediaRules = {
  ...OPEN,
  ...{ tokens: [digestOf(SHARED)], users: USERS, secrets: [SECRET, OLD_SECRET] },
};

const token = (text: string, from: 'path' | 'query' | 'header' = 'query'): Credential => ({
  ...{ kind: 'token', token: text, from },
});
const signed = (
  more: { secret?: string; expires?: number; user?: string | null; target?: SignedTarget } = {},
): Credential => {
  const { secret = SECRET, expires = EXPIRES, user = null, target = TARGET } = more;
  const signature = signatureOf(secret, { ...target, expires, user });
  return { kind: 'signature', expires, user, signature };
};
const decide = (
  rules: MediaRules,
  credential: Credential,
  more: Partial<MediaAsk> = {},
  now = NOW,
) => decideMedia(rules, { address: '10.0.0.1', credential, target: TARGET, ...more }, now);
const codeOf = (...args: Parameters<typeof decide>): string => {
  const verdict = decide(...args);
  return verdict.allowed ? `ok ${verdict.user ?? '-'}` : verdict.code;
};

describe('Whether media is open', () => {
  const none: Credential = { kind: 'none' };

  it('does not depend on what is shown, while nothing is configured', () => {
    for (const credential of [none, token('x'), token(KEY), signed({ secret: 'wrong' })]) {
      expect(decide(OPEN, credential)).to.deep.equal({
        ...{ allowed: true, user: null, carried: { kind: 'nothing' } },
      });
    }
  });

  it('depends on a credential as soon as one kind is configured', () => {
    for (const some of [{ tokens: ALL.tokens }, { users: USERS }, { secrets: [SECRET] }]) {
      expect(codeOf({ ...OPEN, ...some }, none)).to.equal('TOKEN_NEEDED');
    }
  });

  it('depends on the network first, and on both', () => {
    const rules = { ...ALL, networks: new Networks(['10.0.0.0/8']) };
    const outside = { address: '192.0.2.1' };
    expect(codeOf({ ...OPEN, networks: rules.networks }, none)).to.equal('ok -');
    expect(codeOf(rules, none)).to.equal('TOKEN_NEEDED');
    expect(codeOf(rules, token(SHARED))).to.equal('ok -');
    expect(codeOf(rules, token(SHARED), outside)).to.equal('NETWORK_REFUSED');
    expect(codeOf(rules, token(SHARED), { address: '' })).to.equal('NETWORK_REFUSED');
  });
});

describe('A token', () => {
  it('is the shared one, or that of a user', () => {
    expect(codeOf(ALL, token(SHARED))).to.equal('ok -');
    expect(codeOf(ALL, token(ANNA, 'path'))).to.equal('ok anna');
    expect(codeOf(ALL, token(`${ANNA}x`))).to.equal('TOKEN_REFUSED');
    expect(codeOf(ALL, { kind: 'malformed', of: 'token' })).to.equal('TOKEN_REFUSED');
  });

  it('is carried on by a playlist', () => {
    expect(decide(ALL, token(ANNA, 'header'))).to.deep.include({
      carried: { kind: 'token', token: ANNA },
    });
  });

  it('may be the API key in a header, and is then carried nowhere', () => {
    expect(decide(ALL, token(KEY, 'header'))).to.deep.equal({
      ...{ allowed: true, user: null, carried: { kind: 'nothing' } },
    });
    expect(codeOf(ALL, token(KEY, 'query'))).to.equal('TOKEN_REFUSED');
    expect(codeOf(ALL, token(KEY, 'path'))).to.equal('TOKEN_REFUSED');
  });

  it("is good until its user's time is over, and from the user's networks", () => {
    const end = Date.UTC(2030, 0, 1);
    expect(codeOf(ALL, token(BERT), {}, end - 1)).to.equal('ok bert');
    expect(codeOf(ALL, token(BERT), {}, end)).to.equal('TOKEN_EXPIRED');
    expect(codeOf(ALL, token(ANNA), { address: '192.0.2.1' })).to.equal('NETWORK_REFUSED');
  });

  it('is no guess when it is known, and one when it is not', () => {
    expect(decide(ALL, token(BERT))).to.include({ guess: false });
    expect(decide(ALL, token('something-else-012'))).to.include({ guess: true });
    expect(decide(ALL, { kind: 'none' })).to.include({ guess: false });
  });

  it('cannot be checked without a good list of users, unless it is the shared one', () => {
    const rules: MediaRules = { ...ALL, users: 'faulty' };
    expect(codeOf(rules, token(ANNA))).to.equal('BAD_USERS');
    expect(codeOf(rules, token(SHARED))).to.equal('ok -');
  });
});

describe('A signed address', () => {
  it('is good for what was signed, with any of the secrets', () => {
    expect(codeOf(ALL, signed())).to.equal('ok -');
    expect(codeOf(ALL, signed({ secret: OLD_SECRET }))).to.equal('ok -');
    expect(codeOf(ALL, signed({ secret: 'another-secret-0123' }))).to.equal('SIGNATURE_REFUSED');
    const other = { ...TARGET, content: `id=${'b'.repeat(40)}` };
    expect(codeOf(ALL, signed(), { target: other })).to.equal('SIGNATURE_REFUSED');
    expect(codeOf(ALL, signed(), { target: null })).to.equal('SIGNATURE_REFUSED');
    expect(codeOf({ ...ALL, secrets: [] }, signed())).to.equal('SIGNATURE_REFUSED');
  });

  it('is good until its time is over, and cannot be prolonged', () => {
    expect(codeOf(ALL, signed(), {}, EXPIRES * 1_000 - 1)).to.equal('ok -');
    expect(codeOf(ALL, signed(), {}, EXPIRES * 1_000)).to.equal('SIGNATURE_EXPIRED');
    const longer = { ...signed(), expires: EXPIRES + 1 } as Credential;
    expect(codeOf(ALL, longer)).to.equal('SIGNATURE_REFUSED');
  });

  it('has the limits of the user it names', () => {
    expect(codeOf(ALL, signed({ user: 'anna' }))).to.equal('ok anna');
    expect(codeOf(ALL, signed({ user: 'anna' }), { address: '192.0.2.1' })).to.equal(
      'NETWORK_REFUSED',
    );
    expect(codeOf(ALL, signed({ user: 'bert' }))).to.equal('TOKEN_EXPIRED');
    expect(codeOf(ALL, signed({ user: 'nobody' }))).to.equal('TOKEN_REFUSED');
    expect(codeOf({ ...ALL, users: 'off' }, signed({ user: 'nobody' }))).to.equal('ok nobody');
    expect(codeOf({ ...ALL, users: 'faulty' }, signed({ user: 'anna' }))).to.equal('BAD_USERS');
    const renamed = { ...signed(), user: 'anna' } as Credential;
    expect(codeOf(ALL, renamed)).to.equal('SIGNATURE_REFUSED');
  });

  it('signs the addresses of a playlist with the newest secret', () => {
    expect(decide(ALL, signed({ secret: OLD_SECRET }))).to.deep.include({
      carried: { kind: 'signature', secret: SECRET, expires: EXPIRES, user: null },
    });
  });
});

describe('Whatever is shown', () => {
  const text = fc.oneof(fc.string(), fc.constantFrom(KEY, SHARED, ANNA, BERT, SECRET));
  const credential: fc.Arbitrary<Credential> = fc.oneof(
    fc.constant<Credential>({ kind: 'none' }),
    fc.record({
      kind: fc.constant('malformed' as const),
      of: fc.constantFrom('token' as const, 'signature' as const),
    }),
    fc.record({
      kind: fc.constant('token' as const),
      token: text,
      from: fc.constantFrom('path' as const, 'query' as const, 'header' as const),
    }),
    fc.record({
      kind: fc.constant('signature' as const),
      expires: fc.nat(),
      user: fc.option(fc.constantFrom('anna', 'bert', 'x')),
      signature: fc.oneof(fc.string(), fc.base64String()),
    }),
  );
  const right = new Set([SHARED, ANNA]);

  it('only the right things open media, and refusals are of the catalogue', () => {
    fc.assert(
      fc.property(credential, fc.oneof(fc.ipV4(), fc.ipV6(), fc.string()), (shown, address) => {
        const verdict = decide(ALL, shown, { address });
        if (!verdict.allowed) {
          expect(ERRORS).to.have.property(verdict.code);
          expect(ERRORS[verdict.code].status).to.be.oneOf([401, 403, 500]);
          return;
        }
        expect(shown.kind).to.equal('token');
        if (shown.kind !== 'token') return;
        expect(right.has(shown.token) || (shown.token === KEY && shown.from === 'header')).to.equal(
          true,
        );
      }),
      { numRuns: 5_000 },
    );
  });
});
