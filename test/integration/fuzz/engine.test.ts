import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { expect } from 'chai';
import fc from 'fast-check';
import type { StreamId } from '../../../src/shared/ids.js';
import { silentLogger } from '../../helpers/silent-logger.js';
import type { EngineSession } from '../../../src/worker/contracts.js';
import { startSession } from '../../../src/worker/engine/acestream-session.js';
import { EngineFault } from '../../../src/worker/engine/engine-fault.js';
import { openPlayback } from '../../../src/worker/engine/open-playback.js';
import { readStat } from '../../../src/worker/engine/stat.js';
import { stopSession } from '../../../src/worker/engine/stop-session.js';
import { until } from '../../helpers/until.js';
import { listen, openOptions } from '../engine/playback-fixture.js';
import { addressOf, startRawEngine, type RawEngine } from '../engine/raw-engine.js';

const STREAM = 'ab'.repeat(20) as StreamId;
const CASES = 1_000;
const LANES = 20;
/** What a request line of ours looks like, whatever the engine has answered before. */
const OUR_REQUEST = /^GET \/[\x21-\x7e]* HTTP\/1\.1$/;

/** Each of the engine's answers to the requests of one case, in their order. */
type Script = readonly Buffer[];

/** `canary` is an address that nobody may be led to. */
function scripts(canary: string): fc.Arbitrary<Script> {
  const path = fc.constantFrom(
    ...[
      '/ace/r/1',
      '/content/1?x=1',
      '/ace/stat/1',
      '/ace/cmd/1',
      '',
      '/',
      '..',
      '//',
      '/%',
      '/\u00e9',
      '/a b',
      '/a\r\nX: 1',
    ],
    ...['/\u0000', '\\\\x', '?', '#', `//${canary}/x`, `@${canary}/x`, `/x@${canary}`],
  );
  const url = fc.oneof(
    path,
    fc
      .tuple(
        fc.constantFrom(
          `http://${canary}`,
          'http://127.0.0.1:1',
          `https://${canary}`,
          `ftp://${canary}`,
          `http://u:p@${canary}`,
          'http:',
          'javascript:',
        ),
        path,
      )
      .map((parts) => parts.join('')),
    fc.string({ maxLength: 30 }),
  );
  const value = fc.oneof(
    url,
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom<unknown>(null, -1, 1, '1', true, '', 1e308, {}),
  );
  const session = fc.record(
    {
      ...{ playback_url: url, stat_url: value, command_url: value, playback_session_id: value },
      ...{
        infohash: value,
        is_live: value,
        is_encrypted: value,
        event_url: value,
      },
    },
    { requiredKeys: ['playback_url'] },
  );
  const stat = fc.dictionary(
    fc.constantFrom('status', 'peers', 'speed_down', 'progress', 'downloaded', 'x'),
    value,
  );
  const error = fc.oneof(
    fc.constantFrom<unknown>(
      'failed to load content',
      'unknown playback session id',
      'got newer download',
      '',
      null,
    ),
    value,
  );
  const envelope = fc.oneof(
    { weight: 5, arbitrary: session.map((response) => ({ response, error: null })) },
    { weight: 2, arbitrary: stat.map((response) => ({ response, error: null })) },
    {
      weight: 2,
      arbitrary: fc.record({ response: value, result: value, error }, { requiredKeys: [] }),
    },
    { weight: 1, arbitrary: fc.jsonValue() },
  );
  const json = envelope.map((content) => JSON.stringify(content));
  const cut = fc
    .tuple(json, fc.double({ min: 0, max: 1, noNaN: true }))
    .map(([text, part]) => text.slice(0, text.length * part));
  const body = fc.oneof(
    { weight: 6, arbitrary: json },
    { weight: 1, arbitrary: cut },
    {
      weight: 1,
      arbitrary: fc.constantFrom('<html>', 'start timeout', '', '\u0000', '{'.repeat(5_000), '[1,'),
    },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  );
  const header = fc.oneof(
    fc.tuple(
      fc.constant('Location'),
      url.map((text) => text.replace(/[\r\n\0]/g, '')),
    ),
    fc.constantFrom<[string, string][]>(
      ['Content-Encoding', 'gzip'],
      ['Transfer-Encoding', 'chunked'],
      ['Content-Length', '99999'],
      ['Content-Length', '-1'],
      ['Set-Cookie', 'a=b'],
      ['Content-Type', 'video/mp2t'],
      ['Refresh', `0; url=http://${canary}/`],
    ),
    fc.tuple(fc.string({ maxLength: 5 }), fc.string({ maxLength: 10 })),
  );
  const status = fc.oneof(
    { weight: 6, arbitrary: fc.constant(200) },
    {
      weight: 4,
      arbitrary: fc.constantFrom(301, 302, 303, 307, 308, 204, 404, 500, 503, 100, 101, 999, 0),
    },
  );
  const answer = fc
    .record({ status, headers: fc.array(header, { maxLength: 2 }), body, length: fc.boolean() })
    .map(({ status: code, headers, body: text, length }) => {
      const content = Buffer.from(text);
      const lines = [`HTTP/1.1 ${String(code)} x`, ...headers.map((parts) => parts.join(': '))];
      if (length) lines.push(`Content-Length: ${String(content.length)}`);
      return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), content]);
    });
  const noise = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes));
  const answers = fc.array(
    fc.oneof({ weight: 10, arbitrary: answer }, { weight: 1, arbitrary: noise }),
    { minLength: 1, maxLength: 8 },
  );
  // Often the start succeeds, so that the answers after it matter.
  const start = session.map((response) =>
    Buffer.from(`HTTP/1.1 200 OK\r\n\r\n${JSON.stringify({ response, error: null })}`),
  );
  return fc.oneof(
    answers,
    fc.tuple(start, answers).map(([first, rest]) => [first, ...rest]),
  );
}

describe('An engine that answers anything', () => {
  let canary: Server;
  let contacted = 0;
  let seen = 0;
  let sessions = 0;

  before(async () => {
    canary = createServer((socket) => {
      contacted += 1;
      socket.destroy();
    }).listen(0, '127.0.0.1');
    await once(canary, 'listening');
  });
  after(() => canary.close());

  /** The life of a session up to its stop; every fault is one of the engine's. */
  async function live(engine: RawEngine): Promise<void> {
    const options = { connectTimeoutMs: 500, answerTimeoutMs: 500, log: silentLogger };
    const { signal } = new AbortController();
    const session = await faultless(
      startSession(addressOf(engine), { stream: STREAM, keyType: 'id' }, { ...options, signal }),
    );
    if (session === null) return;
    sessions += 1;
    expectPaths(session);
    await faultless(readStat(session, 500));
    const reader = await faultless(
      openPlayback(
        session,
        openOptions({ headerTimeoutMs: 500, maxHeaderMs: 500, connectTimeoutMs: 500 }),
      ),
    );
    if (reader !== null) {
      const heard = listen(reader);
      await until('the media ends', () => heard.ends.length > 0, 3_000);
      await reader.close();
    }
    await stopSession(session);
  }

  async function faultless<T>(work: Promise<T>): Promise<T | null> {
    try {
      return await work;
    } catch (error) {
      if (!(error instanceof EngineFault)) throw error;
      expect(error.message).to.not.match(/\p{Cc}/u);
      return null;
    }
  }

  function expectPaths(session: EngineSession): void {
    for (const path of [session.playbackPath, session.statPath, session.commandPath]) {
      if (path !== null) expect(path).to.match(/^\/[\x21-\x7e]*$/);
    }
  }

  async function perform(script: Script): Promise<void> {
    let turn = 0;
    const engine = await startRawEngine((socket: Socket) => {
      seen += 1;
      socket.end(script[turn++ % script.length] ?? '');
    });
    try {
      await live(engine);
      await until('its sockets are closed', () => engine.openSockets === 0);
      for (const line of engine.requests) expect(line).to.match(OUR_REQUEST);
    } catch (error) {
      const told = script.map((bytes) => JSON.stringify(bytes.toString('latin1'))).join('\n');
      throw new Error(`with these answers:\n${told}`, { cause: error });
    } finally {
      await engine.close();
    }
  }

  it('is a fault, or a session on its own address; nobody else is contacted and nothing stays open', async () => {
    const { port } = canary.address() as AddressInfo;
    const seed = Date.now() | 0;
    const cases = fc.sample(scripts(`127.0.0.1:${String(port)}`), { numRuns: CASES, seed });
    const lane = async (): Promise<void> => {
      for (let script = cases.pop(); script !== undefined; script = cases.pop())
        await perform(script);
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    // Proves that the cases get somewhere.
    expect(seen).to.be.greaterThan(CASES);
    expect(sessions).to.be.greaterThan(CASES / 5);
    expect(contacted, 'connections to an address that an engine named').to.equal(0);
  });
});
