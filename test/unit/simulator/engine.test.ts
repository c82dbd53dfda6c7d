import { expect } from 'chai';
import { startEngine, type SimulatedEngine } from '../../simulator/engine.js';
import { StampChecker } from '../../simulator/stamps.js';
import { ask, hexOf, play, Reader, start, stop, until } from './player.js';

const HEX = hexOf('channel one');

describe('simulated engine', () => {
  let engine: SimulatedEngine;
  afterEach(() => engine.stop());

  it('plays a started content from the burst to the live edge without losing a packet', async () => {
    engine = await startEngine({ prebufferMs: 30, burstSeconds: 1 });
    const checker = new StampChecker();
    const started = await start(engine, HEX);
    const reader = await play(engine, started, (bytes) => checker.push(bytes));
    // One second of burst and half a second of real time at 4 Mbit/s.
    await until(() => reader.bytes > 750_000, '1.5 s of media');
    reader.close();
    await stop(engine, started);
    const report = checker.report();
    expect(report).to.include({
      lost: 0,
      duplicated: 0,
      reordered: 0,
      corrupt: 0,
      misaligned: 0,
      ccErrors: 0,
    });
    expect(report.stamped).to.be.greaterThan(3500);
    expect(report.sessions).to.deep.equal([1]);
    await engine.untilClean();
  });

  it('paces the media in real time behind the burst', async () => {
    engine = await startEngine({ prebufferMs: 0, burstSeconds: 0.5, bitrate: 8_000_000 });
    const reader = await play(engine, await start(engine, HEX));
    await until(() => reader.bytes >= 500_000, 'the burst');
    const [from, bytes] = [Date.now(), reader.bytes];
    await until(() => Date.now() - from >= 1_000, 'a second');
    const rate = (reader.bytes - bytes) / ((Date.now() - from) / 1000);
    expect(rate).to.be.within(750_000, 1_250_000);
    reader.close();
  });

  it('withholds even the status line until the prebuffer is full', async () => {
    engine = await startEngine({ preset: 'slow-60s' });
    const started = await start(engine, HEX);
    const answer = await ask(engine, started.playbackPath, { ms: 100 });
    expect(answer.text).to.equal('');
    const { body } = await ask(engine, started.statPath);
    expect(JSON.parse(body)).to.have.nested.property('response.status', 'prebuf');
  });

  it('redirects without a length and closes the connection', async () => {
    engine = await startEngine({ prebufferMs: 0 });
    const started = await start(engine, HEX);
    const answer = await ask(engine, started.playbackPath);
    expect(answer.status).to.equal(302);
    expect(answer.headers['location']).to.match(
      /^http:\/\/127\.0\.0\.1:\d+\/content\/[0-9a-f]{40}\/0\.\d{16}$/,
    );
    expect(answer.headers).to.not.have.any.keys(
      'content-length',
      'transfer-encoding',
      'connection',
    );
  });

  it('refuses a bad id after the time that real engines take', async () => {
    engine = await startEngine({ preset: 'bad-id', timeScale: 0.01 });
    const from = Date.now();
    const byId = await ask(engine, `/ace/getstream?id=${HEX}&format=json&pid=a`);
    const idMs = Date.now() - from;
    await ask(engine, `/ace/getstream?infohash=${HEX}&format=json&pid=b`);
    const infohashMs = Date.now() - from - idMs;
    expect(JSON.parse(byId.body)).to.deep.equal({
      response: null,
      error: 'failed to load content',
    });
    expect(idMs).to.be.at.least(44);
    expect(infohashMs).to.be.at.least(279);
    expect(engine.witness.starts).to.deep.equal({});
    await engine.untilClean();
  });

  it('knows a hex by one selector only when it is told so', async () => {
    engine = await startEngine({ timeScale: 0.001, contents: { [HEX]: { kind: 'infohash' } } });
    const asId = await ask(engine, `/ace/getstream?id=${HEX}&format=json&pid=a`);
    expect(asId.body).to.contain('failed to load content');
    const started = await start(engine, HEX, 'b', 'infohash');
    expect(started.infohash).to.equal(HEX);
  });

  it('answers unknown paths with 500 and 45 bytes of text, HEAD with 501', async () => {
    engine = await startEngine();
    const answer = await ask(engine, '/ace/r/nothing/here');
    expect([answer.status, answer.headers['content-length']]).to.deep.equal([500, '45']);
    expect(answer.body).to.equal("Internal Server Error, couldn't find resource");
    expect((await ask(engine, '/ace/getstream', { method: 'HEAD' })).status).to.equal(501);
    expect((await ask(engine, '/ace/getstream')).status).to.equal(500);
  });

  it('tells its version and status', async () => {
    engine = await startEngine({ version: '3.2.11' });
    const version = JSON.parse(
      (await ask(engine, '/webui/api/service?method=get_version')).body,
    ) as object;
    expect(version).to.have.nested.property('result.code', 3_021_100);
    const status = JSON.parse(
      (await ask(engine, '/server/api?api_version=3&method=get_status')).body,
    ) as object;
    expect(status).to.have.nested.property('result.playlist_loaded', true);
    expect((await ask(engine, '/server/api?method=get_status')).body).to.contain('access denied');
  });

  it('goes on behind a re-open where it stopped, with a gap but never a restart', async () => {
    engine = await startEngine({ prebufferMs: 0, burstSeconds: 1 });
    const started = await start(engine, HEX);
    const checker = new StampChecker();
    const first = await play(engine, started, (bytes) => checker.push(bytes));
    await until(() => first.bytes > 500_000, 'the burst');
    engine.dropReaders('fin');
    await until(() => first.ended === 'fin', 'the end');
    const before = checker.report().lastStamp!;
    const again = new StampChecker();
    const second = await play(engine, started, (bytes) => again.push(bytes));
    await until(() => again.report().stamped > 100, 'media');
    expect(again.report().firstStamp).to.equal(before + 1);
    second.close();
    await stop(engine, started);
    await engine.untilClean();
  });

  it('ends a connection with FIN, or in the middle of a packet', async () => {
    engine = await startEngine({ prebufferMs: 0 });
    const started = await start(engine, HEX);
    for (const mode of ['fin', 'mid-packet'] as const) {
      const reader = await play(engine, started);
      await until(() => reader.bytes > 100_000, 'media');
      engine.dropReaders(mode);
      await until(() => reader.ended !== null, mode);
      expect(reader.ended).to.equal('fin');
      expect(reader.bytes % 188).to.equal(mode === 'fin' ? 0 : 101);
    }
  });

  it('ends a connection with a reset', async () => {
    engine = await startEngine({ prebufferMs: 0 });
    const started = await start(engine, HEX);
    const ends = [];
    for (let i = 0; i < 4; i += 1) {
      const reader = await play(engine, started);
      await until(() => reader.bytes > 0, 'media');
      engine.dropReaders('rst');
      await until(() => reader.ended !== null, 'the end');
      ends.push(reader.ended);
    }
    // A reader in the middle of a read sees a plain end now and then; a FIN would never be seen as a reset.
    expect(ends).to.include('reset');
  });

  it('stalls with an open socket and resumes with a gap', async () => {
    engine = await startEngine({ prebufferMs: 0, burstSeconds: 0.2 });
    const checker = new StampChecker();
    const reader = await play(engine, await start(engine, HEX), (bytes) => checker.push(bytes));
    await until(() => reader.bytes > 100_000, 'media');
    engine.stall(true);
    await until(() => Date.now() - checker.report().lastStampAt! > 150, 'silence');
    expect(reader.ended).to.equal(null);
    engine.stall(false);
    const { stamped } = checker.report();
    await until(() => checker.report().stamped > stamped + 100, 'media again');
    expect(checker.report().lost).to.be.greaterThan(200);
    reader.close();
  });

  it('ends by itself after the bytes and in the manner that the knobs give', async () => {
    engine = await startEngine({ prebufferMs: 0, dropAtByte: 200_000 });
    const started = await start(engine, HEX);
    const reader = await play(engine, started);
    await until(() => reader.ended === 'fin', 'the end');
    expect(reader.bytes).to.equal(200_000);
    engine.set({ dropAtByte: 0, startOffset: 77, leadGarbageBytes: 10, faultyReaders: 0 });
    const checker = new StampChecker();
    const next = await play(engine, started, (bytes) => checker.push(bytes));
    await until(() => checker.report().stamped > 500, 'media');
    expect(checker.report()).to.include({ misaligned: 1, skippedBytes: 87, lost: 0 });
    next.close();
  });

  it('gives a second reader two status lines and lets the first go on', async () => {
    engine = await startEngine({ prebufferMs: 0 });
    const started = await start(engine, HEX);
    const { headers } = await ask(engine, started.playbackPath);
    const path = new URL(headers['location']!).pathname;
    const first = new Reader(engine, path);
    await until(() => first.bytes > 0, 'media');
    const second = await ask(engine, path);
    expect(second.text).to.match(/^HTTP\/1\.1 200 OK\r\nHTTP\/1\.1 200 OK\r\n/);
    const { bytes } = first;
    await until(() => first.bytes > bytes + 10_000, 'the first to go on');
    first.close();
    expect(engine.witness.violations).to.deep.equal(['2 readers on session 1']);
  });

  it('cuts the older session when another player starts the same content', async () => {
    engine = await startEngine({ prebufferMs: 0 });
    const older = await start(engine, HEX);
    const reader = await play(engine, older);
    await until(() => reader.bytes > 0, 'media');
    await start(engine, HEX);
    await until(() => reader.ended !== null, 'the cut');
    expect((await ask(engine, older.statPath)).body).to.contain('unknown playback session id');
    expect(engine.witness.sessions.map(({ how }) => how)).to.deep.equal(['superseded', null]);
  });

  it('ends the session of a player that starts another content', async () => {
    engine = await startEngine({ prebufferMs: 0 });
    const reader = await play(engine, await start(engine, HEX, 'same'));
    await until(() => reader.bytes > 0, 'media');
    await start(engine, hexOf('elsewhere'), 'same');
    await until(() => reader.ended !== null, 'the cut');
    expect(engine.witness.sessions.map(({ how }) => how)).to.deep.equal(['replaced', null]);
  });

  it('leaves a session behind when the client went away during the start', async () => {
    engine = await startEngine({ startDelayMs: 100 });
    await ask(engine, `/ace/getstream?id=${HEX}&format=json&pid=p`, { ms: 30 });
    await until(() => engine.table.live.length === 1, 'the session');
    expect(() => engine.assertClean()).to.throw('still live');
  });

  it('frozen, accepts and never answers; thawed, answers what waited', async () => {
    engine = await startEngine();
    engine.freeze(true);
    const pending = ask(engine, '/webui/api/service?method=get_version');
    expect((await ask(engine, '/webui/api/service?method=get_version', { ms: 100 })).text).to.equal(
      '',
    );
    engine.freeze(false);
    expect((await pending).status).to.equal(200);
  });

  it('restarted, drops its connections, refuses for a while and knows no session', async () => {
    engine = await startEngine({ prebufferMs: 0 });
    const started = await start(engine, HEX);
    const reader = await play(engine, started);
    await until(() => reader.bytes > 0, 'media');
    const restarted = engine.restart(700);
    await until(() => reader.ended !== null, 'the end');
    expect((await ask(engine, '/webui/api/service?method=get_version')).reset).to.equal(true);
    await restarted;
    expect((await ask(engine, started.statPath)).body).to.contain('unknown playback session id');
    await engine.untilClean();
  });

  it('keeps the position of a reader that takes nothing for a while', async () => {
    engine = await startEngine({ prebufferMs: 0, bitrate: 20_000_000, speed: 20 });
    const checker = new StampChecker();
    const reader = await play(engine, await start(engine, HEX), (bytes) => checker.push(bytes));
    await until(() => reader.bytes > 1_000_000, 'media');
    reader.pause();
    await new Promise((resolve) => setTimeout(resolve, 300));
    const { bytes } = reader;
    reader.resume();
    await until(() => reader.bytes > bytes + 20_000_000, 'what was kept');
    expect(checker.report()).to.include({ lost: 0, misaligned: 0 });
    reader.close();
  });
});
