import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect } from 'chai';
import fc from 'fast-check';

import { ConfigError } from '../../../src/shared/config/config-error.js';
import type { ConfigFault } from '../../../src/shared/config/config-error.js';
import { loadSettings } from '../../../src/shared/config/load.js';
import type { Environment } from '../../../src/shared/config/load.js';
import { fileKey, VARIABLE_NAMES, VARIABLES } from '../../../src/shared/config/schema.js';
import { redisSettings } from '../../helpers/redis-settings.js';

describe('loadSettings', () => {
  let configDir: string;

  beforeEach(() => (configDir = mkdtempSync(join(tmpdir(), 'config-test-'))));
  afterEach(() => rmSync(configDir, { recursive: true }));

  const load = (env: Environment = {}): ReturnType<typeof loadSettings> =>
    loadSettings({ env, configDir, machine: { cores: 3, terminal: false } });

  const file = (name: string, content: unknown): void => {
    const text = typeof content === 'string' ? content : JSON.stringify(content);
    writeFileSync(join(configDir, name), text);
  };

  const failure = (env: Environment = {}): ConfigError => {
    try {
      load(env);
    } catch (error) {
      expect(error).to.be.instanceOf(ConfigError);
      return error as ConfigError;
    }
    throw new Error('a ConfigError was expected');
  };

  const faults = (env: Environment = {}): readonly ConfigFault[] => failure(env).faults;

  it('has the defaults of the specification when nothing is set', () => {
    const { settings, warnings } = load();
    expect(warnings).to.deep.equal([]);
    expect(settings).to.deep.include({
      host: '0.0.0.0',
      port: 8000,
      workers: 3,
      readBytes: 8192,
      chunkBytes: 188 * 5644,
      flushMs: 100,
      bufferTtlMs: 60_000,
      bufferMaxBytes: 67_108_864,
      bufferTotalBytes: 0,
      joinBehindMs: 2000,
      ghostMs: 50_000,
      graceMs: 5000,
      keepaliveMs: 500,
      ownerLockTtlMs: 6000,
      maxRetries: 3,
      apiKey: null,
      engines: [],
      trustedProxies: [],
      log: { level: 'info', format: 'json' },
    });
    expect(settings.redis).to.deep.equal(redisSettings());
  });

  it('takes every default written out as a value', () => {
    const env = Object.fromEntries(
      VARIABLE_NAMES.flatMap((name) => {
        const value = VARIABLES[name].default;
        return value === null ? [] : [[name, value]];
      }),
    );
    const { settings } = load(env);
    expect(settings).to.deep.equal({
      ...load().settings,
      redis: { ...load().settings.redis, given: true },
    });
  });

  it('lets the environment win over <NODE_ENV>.json, and that over default.json', () => {
    file('default.json', { port: 1001, workers: 5, bufferTtl: 30 });
    file('production.json', { port: 1002, workers: '6' });
    const { settings } = load({ NODE_ENV: 'production', PROXY_PORT: '1003' });
    expect([settings.port, settings.workers, settings.bufferTtlMs]).to.deep.equal([
      1003, 6, 30_000,
    ]);
    expect(load().settings.port).to.equal(1001);
  });

  it('takes lists and booleans from a file as JSON has them', () => {
    file('default.json', { aceEngines: ['a:1', '[::1]:2;id=b'], redisHashTags: true });
    const { settings } = load();
    expect(settings.engines.map(({ id }) => id)).to.deep.equal(['a:1', 'b']);
    expect(settings.redis.hashTags).to.be.true;
  });

  it('has channels beside the other files unless the operator names a file', () => {
    expect(load().settings.channels).to.deep.equal({
      path: join(configDir, 'channels.json'),
      given: false,
    });
    const { settings } = load({
      PROXY_CHANNELS: 'tv.m3u',
      PROXY_PUBLIC_URL: 'https://tv.example/proxy/',
      PROXY_PLAYLIST_FETCH: 'public',
    });
    expect(settings.channels).to.deep.equal({ path: 'tv.m3u', given: true });
    expect(settings.publicUrl).to.equal('https://tv.example/proxy');
    expect([load().settings.playlistFetch, settings.playlistFetch]).to.deep.equal([
      'off',
      'public',
    ]);
    expect(faults({ PROXY_PLAYLIST_FETCH: 'true', PROXY_CHANNELS: 'tv.txt' })).to.have.length(2);
  });

  it('rounds the chunk size down to whole packets and says so', () => {
    fc.assert(
      fc.property(fc.integer({ min: 188, max: 30_000_000 }), (size) => {
        const { settings, warnings } = load({ PROXY_BUFFER_CHUNK_SIZE: String(size) });
        expect(settings.chunkBytes % 188).to.equal(0);
        expect(size - settings.chunkBytes).to.be.within(0, 187);
        expect(warnings.length).to.equal(size % 188 === 0 ? 0 : 1);
      }),
      { numRuns: 25 },
    );
    expect(load({ PROXY_BUFFER_CHUNK_SIZE: '1061472' }).settings.chunkBytes).to.equal(1_061_448);
    expect(faults({ PROXY_BUFFER_CHUNK_SIZE: '187' })).to.have.length(1);
  });

  it('allows the small values that tests work with', () => {
    const { settings } = load({
      PROXY_PORT: '0',
      PROXY_GRACE_PERIOD: '0.5',
      PROXY_OWNER_LOCK_TTL: '1.5',
      PROXY_STALL_TIMEOUT: '0.5',
    });
    expect(settings).to.deep.include({
      port: 0,
      graceMs: 500,
      ownerLockTtlMs: 1500,
      stallTimeoutMs: 500,
    });
  });

  it('reports every fault at once, with name, value and what is allowed', () => {
    file('default.json', { workers: 'many', colour: 'red' });
    const error = failure({
      PROXY_PORT: '12abc',
      LOG_LEVEL: '',
      PROXY_GRACE_PERIO: '3',
      ACE_ENGINE: 'a:1',
      PROXY_HEARTBEAT_INTERVAL: '60',
    });
    const names = error.faults.map(({ name }) => name);
    expect(names).to.have.members([
      'PROXY_PORT',
      'LOG_LEVEL',
      'PROXY_GRACE_PERIO',
      'ACE_ENGINE',
      'PROXY_HEARTBEAT_INTERVAL',
      'PROXY_WORKERS',
      'colour',
    ]);
    for (const name of names) expect(error.message).to.include(name);
    expect(error.message).to.match(/PROXY_PORT = "12abc".*whole number from 0 to 65535/);
    expect(error.message).to.match(/LOG_LEVEL = "" .*"error", "warn", "info", "debug"/);
    expect(error.message).to.include('did you mean PROXY_GRACE_PERIOD?');
    expect(error.message).to.match(/PROXY_WORKERS = "many" \("workers" in .*default\.json\)/);
  });

  it('refuses an empty value for every variable', () => {
    const env = Object.fromEntries(VARIABLE_NAMES.map((name) => [name, '']));
    expect(faults(env).map(({ name }) => name)).to.have.members(VARIABLE_NAMES);
  });

  it('never shows a secret', () => {
    file('default.json', { redisUrl: { password: 'hunter2' } });
    const { message } = failure({
      REDIS_URL: 'http://user:hunter2@redis/',
      PROXY_API_KEY: 'hunter2 hunter2',
      PROXY_APIKEY: 'hunter2',
      PROXY_TOKEN: 'hunter2',
      ACE_ORCHESTRATOR_URL: 'ftp://user:hunter2@orchestrator/',
      PROXY_UPSTREAM: 'http://a/?token=hunter2',
    });
    expect(message).to.include('PROXY_APIKEY').and.not.include('hunter2');
  });

  it('prints no control character of a value', () => {
    const { message } = failure({ PROXY_HOST: 'a\u001b[2J\nfine' });
    expect(message).to.include('\\x1b[2J\\x0afine');
  });

  it('refuses files that are not one flat object of known keys', () => {
    const cases: readonly (readonly [unknown, RegExp])[] = [
      ['{', /is not JSON/],
      // What stands there may be a key, which the parser's own words would quote.
      ['{"apiKey":s3cret-key}', /is not JSON(?!.*s3cret)/s],
      ['{"port": 1 "apiKey": "x"}', /is not JSON at position \d+$/],
      [[], /one JSON object/],
      ['null', /one JSON object/],
      [{ port: { a: { b: 1 } } }, /PROXY_PORT|port = /],
      [{ port: null }, /port = "null"/],
      [{ port: ['1'] }, /whole number/],
      [{ PROXY_PORT: 1 }, /unknown key/],
      ['{"__proto__": {"port": 1}}', /unknown key/],
      [{ buffertTtl: 1 }, /did you mean bufferTtl\?/],
    ];
    for (const [content, expected] of cases) {
      file('default.json', content);
      expect(failure().message, JSON.stringify(content)).to.match(expected);
    }
  });

  it('refuses a NODE_ENV that leads out of the directory', () => {
    expect(faults({ NODE_ENV: '../production' })[0]?.name).to.equal('NODE_ENV');
  });

  it('refuses values that do not go together', () => {
    const cases: readonly (readonly [string, Environment])[] = [
      ['ACE_ENGINES', { ACE_ENGINES: 'a:1,b:2,a:1' }],
      ['ACE_ENGINES', { ACE_ENGINES: 'a:1;id=x,b:2;id=x' }],
      ['PROXY_HEARTBEAT_INTERVAL', { PROXY_CLIENT_TTL: '10' }],
      ['PROXY_JOIN_BEHIND', { PROXY_BUFFER_TTL: '2' }],
      ['PROXY_BUFFER_MAX_BYTES', { PROXY_BUFFER_MAX_BYTES: '1061072' }],
      ['REDIS_EMBEDDED', { REDIS_EMBEDDED: 'always', REDIS_URL: 'redis://a' }],
      ['REDIS_EMBEDDED', { REDIS_EMBEDDED: 'always', REDIS_HOST: 'redis' }],
      ['REDIS_URL', { REDIS_URL: 'redis://a', REDIS_SENTINELS: 'a:1', REDIS_SENTINEL_NAME: 'm' }],
      ['REDIS_CLUSTER', { REDIS_CLUSTER: 'a:1,b:1' }],
      ['REDIS_CLUSTER', { REDIS_CLUSTER: 'a:1', PROXY_REDIS_HASH_TAGS: 'true', REDIS_DB: '1' }],
      ['REDIS_SENTINELS', { REDIS_SENTINELS: 'a:1' }],
      ['REDIS_SENTINELS', { REDIS_SENTINEL_NAME: 'm' }],
      ['REDIS_USERNAME', { REDIS_USERNAME: 'u' }],
      ['REDIS_SENTINEL_USERNAME', { REDIS_SENTINEL_USERNAME: 'u' }],
      ['REDIS_TLS', { REDIS_TLS: 'true', REDIS_URL: 'redis://a' }],
    ];
    for (const [name, env] of cases) {
      expect(
        faults(env).map((fault) => fault.name),
        JSON.stringify(env),
      ).to.deep.equal([name]);
    }
  });

  it('reads Sentinels, a Cluster and TLS, and refuses what is not written exactly so', () => {
    const sentinel = load({
      ...{ REDIS_SENTINELS: 'a:1, [::1]:2', REDIS_SENTINEL_NAME: 'm' },
      ...{ REDIS_PASSWORD: 'p w', REDIS_SENTINEL_PASSWORD: 's', REDIS_TLS: 'true' },
    }).settings.redis;
    expect(sentinel).to.deep.include({
      ...{ given: true, password: 'p w' },
      tls: { enabled: true, ca: null, cert: null, key: null },
      sentinel: {
        addresses: [
          { host: 'a', port: 1 },
          { host: '::1', port: 2 },
        ],
        ...{ name: 'm', username: null, password: 's' },
      },
    });
    const cluster = load({ REDIS_CLUSTER: 'a:1', PROXY_REDIS_HASH_TAGS: 'true' }).settings.redis;
    expect(cluster).to.deep.include({ given: true, cluster: [{ host: 'a', port: 1 }] });
    expect(load({ REDIS_URL: 'rediss://a' }).settings.redis.tls.enabled).to.be.true;
    for (const bad of ['', 'a', 'a:0', 'a:1,', 'a:1,a:1', '::1:1', 'a:1 b:2', 'redis://a:1']) {
      const env = { REDIS_CLUSTER: bad, PROXY_REDIS_HASH_TAGS: 'true' };
      expect(faults(env)[0]?.name, bad).to.equal('REDIS_CLUSTER');
    }
    file('no.pem', 'no certificate');
    for (const path of [join(configDir, 'no.pem'), join(configDir, 'absent.pem'), configDir]) {
      const env = { REDIS_URL: 'rediss://a', REDIS_TLS_CA: path };
      expect(faults(env)[0]?.message, path).to.match(/^must be the path of a PEM file/);
    }
    expect(failure({ REDIS_PASSWORD: 'x\ny' }).message).to.not.include('x\\x0ay');
  });

  it('knows whether a Redis was named, in the environment or in a file', () => {
    expect(load({ REDIS_PORT: '7000' }).settings.redis.given).to.be.false;
    expect(load({ REDIS_HOST: 'localhost' }).settings.redis.given).to.be.true;
    expect(load({ REDIS_URL: 'redis://a' }).settings.redis.given).to.be.true;
    file('default.json', { redisHost: 'redis' });
    expect(load().settings.redis.given).to.be.true;
  });

  it('warns of credentials that nobody reads', () => {
    expect(load({ REDIS_PASS: 'x' }).warnings[0]).to.include('REDIS_PASSWORD');
  });

  it('logs for people on a terminal, unless told otherwise', () => {
    const format = (terminal: boolean, env: Environment): string =>
      loadSettings({ env, configDir, machine: { cores: 1, terminal } }).settings.log.format;
    expect(format(true, {})).to.equal('pretty');
    expect(format(false, {})).to.equal('json');
    expect(format(true, { LOG_FORMAT: 'json' })).to.equal('json');
  });

  it('is frozen to the bottom and survives IPC', () => {
    const { settings } = load({ ACE_ENGINES: 'a:1', PROXY_TRUSTED_PROXIES: '::1' });
    const frozen = (value: unknown): boolean =>
      typeof value !== 'object' ||
      value === null ||
      (Object.isFrozen(value) && Object.values(value).every(frozen));
    expect(frozen(settings)).to.be.true;
    expect(JSON.parse(JSON.stringify(settings))).to.deep.equal(settings);
  });

  it('takes no value from the command line or the environment of the process', () => {
    process.argv.push('--port', '9');
    process.env.PROXY_PORT = '9';
    try {
      expect(load().settings.port).to.equal(8000);
    } finally {
      process.argv.splice(-2);
      delete process.env.PROXY_PORT;
    }
  });

  it('forks a worker for each usable core and reads the config folder by default', () => {
    expect(loadSettings({ env: {} }).settings.workers).to.equal(availableParallelism());
  });
});

describe('fileKey', () => {
  it('gives every variable its own key', () => {
    expect(new Set(VARIABLE_NAMES.map(fileKey)).size).to.equal(VARIABLE_NAMES.length);
    expect(fileKey('PROXY_BUFFER_TTL')).to.equal('bufferTtl');
    expect(fileKey('ACE_ENGINES')).to.equal('aceEngines');
  });
});
