import { expect } from 'chai';
import fc from 'fast-check';
import { ConfigError } from '../../../src/shared/config/config-error.js';
import { loadSettings } from '../../../src/shared/config/load.js';
import { VARIABLE_NAMES } from '../../../src/shared/config/schema.js';

const SECRET = 'do-not-show-me-0123456789';

function load(env: Record<string, string>): ReturnType<typeof loadSettings> {
  return loadSettings({ env, configDir: '/nowhere', machine: { cores: 2, terminal: false } });
}

function failure(env: Record<string, string>): string {
  try {
    load(env);
  } catch (error) {
    expect(error).to.be.instanceOf(ConfigError);
    return (error as ConfigError).message;
  }
  throw new Error('a ConfigError was expected');
}

describe('The settings of access', () => {
  it('leave media open unless something is set', () => {
    expect(load({}).settings.access).to.deep.equal({
      mediaTokens: [],
      usersPath: null,
      urlSecrets: [],
      mediaNetworks: null,
      managementNetworks: null,
    });
  });

  it('take several tokens and secrets, the new one first', () => {
    const { access } = load({
      PROXY_MEDIA_TOKEN: 'new-token-0123456789, old-token-0123456789',
      PROXY_URL_SECRET: `${SECRET},another=secret+of/16`,
      PROXY_USERS: 'config/users.json',
      PROXY_MEDIA_NETWORKS: '10.0.0.0/8,::1',
    }).settings;
    expect(access).to.deep.include({
      mediaTokens: ['new-token-0123456789', 'old-token-0123456789'],
      urlSecrets: [SECRET, 'another=secret+of/16'],
      usersPath: 'config/users.json',
      mediaNetworks: ['10.0.0.0/8', '::1'],
    });
  });

  it('refuse what would not work, and never show it', () => {
    for (const [name, value] of [
      ['PROXY_MEDIA_TOKEN', `${SECRET}/x`],
      ['PROXY_MEDIA_TOKEN', `${SECRET},short`],
      ['PROXY_MEDIA_TOKEN', `${SECRET},`],
      ['PROXY_MEDIA_TOKEN', Array(9).fill(SECRET).join(',')],
      ['PROXY_URL_SECRET', `${SECRET} x`],
      ['PROXY_URL_SECRET', SECRET.slice(0, 15)],
      ['PROXY_MEDIA_TOKENS', SECRET],
      ['PROXY_URL_SECRETS', SECRET],
      ['PROXY_API_KEYS', SECRET],
    ] as const) {
      const message = failure({ [name]: value });
      expect(message, name).to.include(name).and.not.include(SECRET.slice(0, 8));
    }
    expect(failure({ PROXY_USERS: 'users.txt' })).to.include('a .json file');
    expect(failure({ PROXY_MEDIA_NETWORKS: '0.0.0.0/0' })).to.include('from 1 to 32');
  });

  it('warn of a token that can be guessed', () => {
    expect(load({ PROXY_MEDIA_TOKEN: 'shorter-1' }).warnings).to.have.length(1);
    expect(load({ PROXY_MEDIA_TOKEN: SECRET }).warnings).to.deep.equal([]);
  });
});

describe('Any value of any variable', () => {
  const SENSITIVE = ['PROXY_API_KEY', 'PROXY_MEDIA_TOKEN', 'PROXY_URL_SECRET', 'REDIS_URL'];
  const value = fc.oneof(
    fc.string({ maxLength: 40 }),
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.constantFrom(
      '0',
      '-1',
      '1e9',
      '99999999999999999999',
      'true',
      '12abc',
      '::',
      '10.0.0.0/8',
      'a:1;x',
      ',',
      ' ',
    ),
  );
  const name = fc.oneof(
    fc.constantFrom(...VARIABLE_NAMES),
    fc.stringMatching(/^(PROXY|ACE)_[A-Z_]{1,20}$/),
  );

  it('gives settings, or one ConfigError without control characters', () => {
    fc.assert(
      fc.property(fc.dictionary(name, value, { maxKeys: 4 }), (env) => {
        try {
          load(env);
        } catch (error) {
          expect(error).to.be.instanceOf(ConfigError);
          expect((error as ConfigError).message).to.not.match(/[^\P{Cc}\n]/u);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('is not shown where it may be a secret', () => {
    // With a blank it is never right, and never a part of the text of the fault by chance.
    const secret = fc.stringMatching(/^[A-Za-z0-9]{12,20}$/).map((text) => `${text} ${text}`);
    fc.assert(
      fc.property(fc.constantFrom(...SENSITIVE), secret, (variable, text) => {
        expect(failure({ [variable]: text })).to.not.include(text.slice(0, 12));
      }),
      { numRuns: 200 },
    );
  });
});
