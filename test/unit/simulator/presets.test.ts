import { expect } from 'chai';
import { type EngineOptions, startEngine, type SimulatedEngine } from '../../simulator/engine.js';
import type { PresetName } from '../../simulator/presets.js';
import { PRESETS } from '../../simulator/presets.js';
import { StampChecker } from '../../simulator/stamps.js';
import { adaptationFlags, PACKET, PID, pidOf } from '../../simulator/ts-packet.js';
import { decode, hasFfmpeg } from './ffmpeg.js';
import { ask, hexOf, play, Reader, start, stop, until } from './player.js';

const HEX = hexOf('channel three');

describe('presets', () => {
  let engine: SimulatedEngine;
  afterEach(() => engine.stop());

  const launch = async (preset: PresetName, more: EngineOptions = {}): Promise<void> => {
    engine = await startEngine({ preset, startDelayMs: 0, ...more });
  };
  const startText = async (pid = 'p'): Promise<string> =>
    (await ask(engine, `/ace/getstream?id=${HEX}&format=json&pid=${pid}`, { ms: 100 })).text;

  it('start an engine, every one of them', async () => {
    for (const name of Object.keys(PRESETS) as PresetName[]) {
      await launch(name);
      expect((await ask(engine, '/webui/api/service?method=get_version')).status).to.equal(200);
      await engine.stop();
    }
  });

  const answers: [PresetName, RegExp][] = [
    ['500-text', /^HTTP\/1\.1 500 .*couldn't find resource$/s],
    ['html-200', /^HTTP\/1\.1 200 OK.*<!DOCTYPE html>/s],
    ['truncated-json', /\{"response": \{[^}]*$/],
    ['hang', /^$/],
    ['premium-json', /"error":"you need to activate premium"/],
    ['wrong-host', /"playback_url":"http:\/\/127\.0\.0\.1:(\d+)\/ace\/r/],
  ];
  for (const [name, expected] of answers) {
    it(`${name} answers a start in its way`, async () => {
      await launch(name);
      const text = await startText();
      expect(text).to.match(expected);
      if (name === 'wrong-host') expect(text).to.contain(engine.trapAddress);
    });
  }

  it('refuses the first starts only when it is told so', async () => {
    await launch('500-text', { startAnswerTimes: 1 });
    expect(await startText('a')).to.contain(' 500 ');
    expect(await startText('b')).to.contain('"error":null');
  });

  for (const name of ['dead-channel', 'never-first-byte'] as const) {
    it(`${name} gives no byte while stat tells another tale`, async () => {
      await launch(name, { prebufferMs: 0 });
      const started = await start(engine, HEX);
      expect((await ask(engine, started.playbackPath, { ms: 100 })).text).to.equal('');
      const { body } = await ask(engine, started.statPath);
      const dead = name === 'dead-channel';
      const { response } = JSON.parse(body) as { response: object };
      expect(response).to.include({
        status: dead ? 'prebuf' : 'dl',
        peers: dead ? 0 : 8,
        downloaded: 0,
      });
    });
  }

  it('stop-hangs ends the session and never says so', async () => {
    await launch('stop-hangs');
    const started = await start(engine, HEX);
    expect((await ask(engine, `${started.commandPath}?method=stop`, { ms: 50 })).text).to.equal('');
    await engine.untilClean();
  });

  it('redirect-no-length keeps the connection of the redirect open', async () => {
    await launch('redirect-no-length', { prebufferMs: 0 });
    const started = await start(engine, HEX);
    const from = Date.now();
    const answer = await ask(engine, started.playbackPath, { ms: 600 });
    expect(answer.status).to.equal(302);
    expect(Date.now() - from).to.be.at.least(599);
  });

  it('redirect-loop leads back to where it came from, and hops can be chained', async () => {
    await launch('redirect-loop', { prebufferMs: 0 });
    const started = await start(engine, HEX);
    const { headers } = await ask(engine, started.playbackPath);
    expect(new URL(headers['location']!).pathname).to.equal(started.playbackPath);
    engine.set({ redirectTarget: 'own', redirects: 3 });
    let path = started.playbackPath;
    for (let hop = 0; hop < 3; hop += 1)
      path = new URL((await ask(engine, path)).headers['location']!).pathname;
    expect(path).to.match(/^\/content\//);
  });

  it('stale-stat knows no session', async () => {
    await launch('stale-stat');
    const started = await start(engine, HEX);
    expect((await ask(engine, started.statPath)).body).to.contain('unknown playback session id');
  });

  it('capacity ends the oldest session, capacity-2 refuses the third', async () => {
    await launch('capacity');
    await start(engine, hexOf('a'));
    await start(engine, hexOf('b'));
    expect(engine.witness.sessions.map(({ how }) => how)).to.deep.equal(['capacity', null]);
    await engine.stop();
    await launch('capacity-2');
    await start(engine, hexOf('a'));
    await start(engine, hexOf('b'));
    expect(await startText()).to.contain('"response":null');
    expect(engine.table.live).to.have.lengthOf(2);
  });

  it('superseded cuts the reader after a while', async () => {
    await launch('superseded', { timeScale: 0.01 });
    const reader = await play(engine, await start(engine, HEX));
    await until(() => reader.ended !== null, 'the cut');
    expect(engine.witness.sessions[0]).to.include({ how: 'superseded' });
    await engine.untilClean();
  });

  it('looping-live gives the same packets again and again', async () => {
    await launch('looping-live', { prebufferMs: 0, burstSeconds: 2, loopSeconds: 0.5 });
    const checker = new StampChecker();
    const reader = await play(engine, await start(engine, HEX), (bytes) => checker.push(bytes));
    await until(() => checker.report().stamped > 4000, 'three rounds');
    expect(checker.report().duplicated).to.be.greaterThan(2000);
    reader.close();
  });

  it('garbage has no packet in it', async () => {
    await launch('garbage', { prebufferMs: 0 });
    const parts: Buffer[] = [];
    const reader = await play(engine, await start(engine, HEX), (bytes) => parts.push(bytes));
    await until(() => reader.bytes > 200_000, 'garbage');
    expect(Buffer.concat(parts).includes(0x47)).to.equal(false);
    reader.close();
  });

  it('corrupts and loses the packets it is told to', async () => {
    await launch('healthy', { prebufferMs: 0, loseEvery: 100, corruptEvery: 333 });
    const checker = new StampChecker();
    const reader = await play(engine, await start(engine, HEX), (bytes) => checker.push(bytes));
    await until(() => checker.report().packets > 4000, 'media');
    // Of as many as have come by now.
    const { misaligned, lost, packets } = checker.report();
    expect(misaligned / packets).to.be.within(0.7 / 333, 1.3 / 333);
    expect(lost / packets).to.be.within(0.8 / 100, 1.4 / 100);
    reader.close();
  });

  it('sends chunks when it is told so, and nothing to who wants compression', async () => {
    await launch('healthy', { prebufferMs: 0, framing: 'chunked', contentType: '' });
    const started = await start(engine, HEX);
    const { headers } = await ask(engine, started.playbackPath);
    const path = new URL(headers['location']!).pathname;
    const gzip = await ask(engine, path, { headers: { 'Accept-Encoding': 'gzip' }, ms: 50 });
    expect(gzip.text).to.equal('');
    let first = '';
    const reader = new Reader(engine, path, (bytes) => (first += bytes.toString('latin1')));
    await until(() => first.length > 100, 'a chunk');
    expect(reader.head).to.contain('Transfer-Encoding: chunked').and.not.to.contain('Content-Type');
    expect(first).to.match(/^[0-9a-f]+\r\nG/);
    reader.close();
  });

  it('plays the picture over HTTP so that ffmpeg decodes three rounds without a complaint', async function () {
    if (!(await hasFfmpeg())) this.skip();
    await launch('healthy', {
      prebufferMs: 0,
      source: 'picture',
      speed: 0,
      eofAfterBytes: 3_000_000,
    });
    const started = await start(engine, HEX);
    const parts: Buffer[] = [];
    const reader = await play(engine, started, (bytes) => parts.push(bytes));
    await until(() => reader.ended === 'fin', 'the end');
    await stop(engine, started);
    await engine.untilClean();
    const { complaints, frames } = await decode(fromKeyframe(Buffer.concat(parts)), '-t', '26');
    expect(complaints).to.equal('');
    // 26 s, counted from the sound, which may begin up to 0.4 s before the picture.
    expect(frames).to.be.within(640, 650);
  });
});

/** The tables and then everything from the first keyframe on. */
function fromKeyframe(bytes: Buffer): Buffer {
  const find = (wanted: (at: number) => boolean): number => {
    for (let at = 0; at < bytes.length; at += PACKET) if (wanted(at)) return at;
    throw new Error('not found');
  };
  const pat = find((at) => pidOf(bytes, at) === PID.pat);
  const pmt = find((at) => pidOf(bytes, at) === PID.pmt);
  const key = find(
    (at) => pidOf(bytes, at) === PID.video && (adaptationFlags(bytes, at) & 0x40) !== 0,
  );
  const tables = [pat, pmt].map((at) => bytes.subarray(at, at + PACKET));
  return Buffer.concat([...tables, bytes.subarray(key)]);
}
