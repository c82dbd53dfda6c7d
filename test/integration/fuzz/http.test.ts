import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { expect } from 'chai';
import fc from 'fast-check';
import { systemClock } from '../../../src/shared/clock.js';
import { ERRORS, type ErrorCode } from '../../../src/shared/errors.js';
import { requestKick, requestStop } from '../../../src/shared/inspect/requests.js';
import type { InspectRedis } from '../../../src/shared/inspect/inspect-redis.js';
import { createLogger, type ClosableLogger } from '../../../src/shared/log/winston-logger.js';
import { makeKeys } from '../../../src/shared/redis/keys.js';
import { AccessGate } from '../../../src/worker/access/access-gate.js';
import { makeMediaRouter, type MediaDeps } from '../../../src/worker/http/routes/getstream.js';
import { SERVER_LIMITS } from '../../../src/worker/http/server.js';
import { ChannelFile } from '../../../src/worker/playlist/channel-file.js';
import { makePlaylistFetch } from '../../../src/worker/playlist/fetch-playlist.js';
import { API_KEY, fakeDeps, runApp, type RunningApp } from '../../helpers/http-app.js';
import { until } from '../../helpers/until.js';
import { HEX, requests, TOKEN, type Shot } from './requests.js';

const SECRET = 'a-secret-of-32-characters-or-so';
/** What node's own parser answers before anybody of ours sees the request. */
const PARSER_STATUSES = [400, 408, 413, 417, 431];
const GOOD_STATUSES = [200, 202, 204, 304, 308];
const STATUSES = new Set<number>([
  ...[...PARSER_STATUSES, ...GOOD_STATUSES],
  ...Object.values(ERRORS).map(({ status }) => status),
]);
const KEY =
  /^ace_proxy:(?:streams|workers|history|admitted:\w+|engines[:\w]*|(?:stream|kind|refused|events):[0-9a-f]{40}(?::[\w:]+)?)$/;
const CASES = 4_000;
const LANES = 40;
/** A request that does not come to its end costs this long. */
const QUICK = {
  ...SERVER_LIMITS,
  ...{ headersTimeoutMs: 200, requestTimeoutMs: 250, keepAliveTimeoutMs: 200, checkIntervalMs: 50 },
};
const RAW_CONTROL = /[^\P{Cc}\n]|[\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;

describe('The HTTP side, whatever comes over the wire', () => {
  let app: RunningApp;
  let canary: Server;
  let canaryUrl: string;
  let directory: string;
  let log = '';
  let logger: ClosableLogger;
  let contacted = 0;
  const keysAsked = new Set<string>();
  const streamsAsked = new Set<string>();

  /** An empty Redis that notes what it is asked for. */
  function redis(): InspectRedis {
    const ask =
      (answer: unknown) =>
      (key: string): Promise<unknown> => {
        keysAsked.add(key);
        return Promise.resolve(answer);
      };
    const empty = {
      get: ask(null),
      exists: ask(0),
      hget: ask(null),
      hgetall: ask({}),
      lrange: ask([]),
    };
    const more = {
      scard: ask(0),
      sismember: ask(1),
      smembers: ask([]),
      publish: ask(0),
      set: ask('OK'),
      del: ask(0),
    };
    return { ...empty, ...more } as unknown as InspectRedis;
  }

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'fuzz-'));
    writeFileSync(
      join(directory, 'users.json'),
      JSON.stringify([{ name: 'anna', token: 'annas-own-token-0123' }]),
    );
    writeFileSync(
      join(directory, 'tv.json'),
      JSON.stringify([{ name: 'News', id: HEX, alias: 'news' }]),
    );
    canary = createServer((socket) => {
      contacted += 1;
      socket.destroy();
    }).listen(0, '127.0.0.1');
    await once(canary, 'listening');
    canaryUrl = `http://127.0.0.1:${String((canary.address() as AddressInfo).port)}/playlist.m3u`;
    const sink = new Writable({
      write: (bytes: Buffer, _encoding, done) => {
        log += bytes.toString();
        done();
      },
    });
    logger = createLogger({ level: 'debug', format: 'json' }, {}, sink);
    app = await start();
  });
  after(async () => {
    canary.close();
    await logger.close();
    await app.close();
    rmSync(directory, { recursive: true });
  });

  async function start(): Promise<RunningApp> {
    const keys = makeKeys({ hashTags: false });
    const access = new AccessGate({
      settings: {
        ...{ mediaTokens: [TOKEN], usersPath: join(directory, 'users.json'), urlSecrets: [SECRET] },
        ...{ mediaNetworks: null, managementNetworks: null },
      },
      ...{ apiKey: API_KEY, logger, onRefused: () => undefined },
      // An hour for each look: nobody is blocked, so that every request gets as far as it can.
      clock: { ...systemClock, monotonic: () => (hours += 3_600_000), now: () => Date.now() },
    });
    let hours = 0;
    const channels = new ChannelFile({ path: join(directory, 'tv.json'), given: true, logger });
    const media = {
      ...{ access, aliases: channels, clock: systemClock },
      ...{ onMoved: () => undefined, onPlaying: () => undefined, onJoined: () => undefined },
      registry: {
        admit: ({ stream }: { stream: string }) => {
          streamsAsked.add(stream);
          const play = (_identity: unknown, socket: Socket): void =>
            void socket.end(Buffer.alloc(188));
          return Promise.resolve({ clients: { play } });
        },
      },
    };
    const inspected = redis();
    return runApp(
      fakeDeps({
        ...{
          access,
          keys,
          logger,
          redis: inspected,
          settings: { trustedProxies: ['127.0.0.1'], workers: 2 },
        },
        playlists: { publicUrl: null, channels, fetch: makePlaylistFetch({ scope: 'public' }) },
        mediaRouter: makeMediaRouter(media as unknown as MediaDeps),
        stopStream: async (stream) => (await requestStop(inspected, keys, stream, 'fuzz')).found,
        kickClient: (stream, client) =>
          requestKick(inspected, keys, stream, { client, reason: 'fuzz' }),
      }),
      QUICK,
    );
  }

  /** Everything that comes back until the other side ends it. */
  async function shoot({ bytes }: Shot): Promise<string> {
    const socket = connect(app.port, '127.0.0.1');
    let text = '';
    socket.on('data', (more) => (text += more.toString('latin1')));
    socket.on('error', () => undefined);
    socket.write(bytes);
    if (!socket.destroyed)
      await new Promise((resolve) => socket.once('close', resolve).once('end', resolve));
    socket.destroy();
    return text;
  }

  function check(answer: string, shot: Shot): void {
    const told = JSON.stringify(shot.bytes.toString('latin1'));
    // A request that is cut short gets no answer: its end is the end of the connection.
    if (answer === '') return;
    const status = Number(
      /^HTTP\/1\.1 (\d{3})/.exec(answer.replace(/^HTTP\/1\.1 100 [^\r]*\r\n\r\n/, ''))?.[1],
    );
    expect(STATUSES.has(status), `${String(status)} for ${told}`).to.equal(true);
    expect(status, told).to.not.equal(500);
    const code = /\r\n\r\n\{"error":\{.*?"code":"(\w+)"/s.exec(answer)?.[1];
    if (code === undefined) return;
    expect(ERRORS, told).to.have.property(code);
    expect(ERRORS[code as ErrorCode].status, told).to.equal(status);
  }

  it('is answered from the catalogue, contacts nobody, and leaves nothing behind', async () => {
    // Not `fc.assert`: to shrink a request that failed once says less than the request itself.
    const seed = Date.now() | 0;
    const shots = fc.sample(requests(canaryUrl), { numRuns: CASES, seed });
    const statuses = new Map<string, number>();
    let answers = 0;
    const lane = async (): Promise<void> => {
      for (let shot = shots.pop(); shot !== undefined; shot = shots.pop()) {
        const answer = await shoot(shot);
        if (answer !== '') answers += 1;
        const status = answer.slice(9, 12);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        check(answer, shot);
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    // Proves that the requests get somewhere.
    expect(answers).to.be.greaterThan(2_000);
    for (const status of ['200', '400', '401', '403', '404', '405']) {
      expect(statuses.get(status) ?? 0, status).to.be.greaterThan(20);
    }
    expect((await fetch(`${app.url}/health/live`)).status).to.equal(200);
    await until('all connections are closed', () => app.connections() <= 1);
    expect(contacted, 'connections to an address from a request').to.equal(0);
  });

  it('puts only ids that are ids into keys', () => {
    expect(keysAsked.size).to.be.greaterThan(3);
    for (const key of keysAsked) expect(key).to.match(KEY);
    expect(streamsAsked.size).to.be.greaterThan(0);
    for (const stream of streamsAsked) expect(stream).to.match(/^[0-9a-f]{40}$/);
  });

  it('logs lines of JSON without raw control characters and without secrets', () => {
    const lines = log.split('\n').filter((line) => line !== '');
    // About 25 by chance: what repeats is counted and not written.
    expect(lines.length).to.be.greaterThan(5);
    for (const line of lines) {
      expect(line).to.not.match(RAW_CONTROL);
      expect(() => void JSON.parse(line), line).to.not.throw();
    }
    for (const secret of [TOKEN, SECRET, API_KEY])
      expect(log.includes(secret), secret).to.equal(false);
  });
});
