import { expect } from 'chai';
import { connect } from 'node:net';
import { startEngine, type SimulatedEngine } from '../../simulator/engine.js';
import { ask, hexOf, play, start, stop, until } from './player.js';

const HEX = hexOf('channel two');

describe('witness', () => {
  let engine: SimulatedEngine;
  beforeEach(async () => {
    engine = await startEngine({ prebufferMs: 0, startDelayMs: 0 });
  });
  afterEach(() => engine.stop());

  it('finds nothing wrong with one start, one reader and one stop', async () => {
    const started = await start(engine, HEX);
    const reader = await play(engine, started);
    await until(() => reader.bytes > 0, 'media');
    reader.close();
    await stop(engine, started);
    await engine.untilClean();
    expect(engine.witness).to.deep.include({
      starts: { [HEX]: 1 },
      stops: { [HEX]: 1 },
      maxReadersPerSession: 1,
    });
    expect(engine.witness.sessions[0]).to.include({
      how: 'stop',
      stopCommands: 1,
      readersOpened: 2,
      maxReaders: 1,
    });
  });

  it('complains about a session that nobody stops', async () => {
    await start(engine, HEX);
    expect(() => engine.assertClean()).to.throw('session 1');
    engine.set({ inactivityMs: 20 });
    await until(() => engine.table.live.length === 0, 'the expiry');
    expect(engine.witness.violations).to.deep.equal([`session 1 of ${HEX} was never stopped`]);
  });

  it('complains about an open socket', async () => {
    const socket = connect(engine.port, engine.host);
    await until(() => engine.witness.openSockets === 1, 'the connection');
    expect(() => engine.assertClean()).to.throw('1 sockets are still open');
    socket.destroy();
    await engine.untilClean();
  });

  it('complains about a second reader, a second session and a pid used twice', async () => {
    const started = await start(engine, HEX, 'same');
    const reader = await play(engine, started);
    await until(() => reader.bytes > 0, 'media');
    await ask(engine, started.playbackPath);
    await start(engine, HEX, 'other');
    await start(engine, hexOf('another'), 'same');
    reader.close();
    expect(engine.witness.violations).to.deep.equal([
      '2 readers on session 1',
      `${HEX} started while a session of it was live`,
      'pid same used twice',
    ]);
    expect(engine.witness).to.deep.include({
      maxReadersPerSession: 2,
      maxLiveSessionsPerContent: 2,
      pidsReused: ['same'],
    });
  });

  const badRequests: [string, Parameters<typeof ask>[2], RegExp][] = [
    ['HEAD', { method: 'HEAD' }, /^HEAD \/ace/],
    ['a Range', { headers: { Range: 'bytes=0-' } }, /^Range on/],
    [
      'a wish for compression',
      { headers: { 'Accept-Encoding': 'gzip, br' } },
      /^Accept-Encoding gzip/,
    ],
    ['another Host', { headers: { Host: 'example.test' } }, /^Host example\.test/],
  ];
  for (const [what, options, violation] of badRequests) {
    it(`complains about ${what}`, async () => {
      await ask(engine, '/ace/stat/a/b', options);
      expect(engine.witness.violations).to.have.lengthOf(1);
      expect(engine.witness.violations[0]).to.match(violation);
    });
  }

  it('complains about a start without a pid', async () => {
    await ask(engine, `/ace/getstream?id=${HEX}&format=json`);
    expect(engine.witness.violations).to.deep.equal([`start of ${HEX} without a pid`]);
  });

  it('complains about a storm of starts', async () => {
    engine.set({ maxStartsPerMinute: 3, startAnswer: '500-text' });
    for (const pid of ['a', 'b', 'c']) await ask(engine, `/ace/getstream?id=${HEX}&pid=${pid}`);
    expect(engine.witness.violations).to.deep.equal([]);
    await ask(engine, `/ace/getstream?id=${HEX}&pid=d`);
    expect(engine.witness.violations).to.deep.equal([`4 starts of ${HEX} in a minute`]);
  });

  it('complains about stat polled more than once a second', async () => {
    const { statPath } = await start(engine, HEX);
    for (let i = 0; i < 3; i += 1) await ask(engine, statPath);
    expect(engine.witness.violations).to.deep.equal(['3 stat polls in a second on session 1']);
  });

  it('complains about contact with an address that only the engine named', async () => {
    engine.set({ redirectTarget: 'foreign' });
    const started = await start(engine, HEX);
    const { headers } = await ask(engine, started.playbackPath);
    const target = new URL(headers['location']!);
    expect(target.host).to.equal(engine.trapAddress);
    const socket = connect(Number(target.port), target.hostname);
    await until(() => engine.witness.foreignContacts === 1, 'the contact');
    socket.destroy();
    expect(engine.witness.violations[0]).to.match(/^contact with a foreign address/);
  });

  it('complains about a stop for a session that never was', async () => {
    await ask(engine, '/ace/cmd/a/b?method=stop');
    expect(engine.witness.violations).to.deep.equal(['stop for a session that never was: b']);
  });

  it('does not blame the client for what the engine ends itself', async () => {
    const started = await start(engine, HEX);
    engine.supersede(HEX);
    await stop(engine, started);
    await engine.untilClean();
    expect(engine.witness.sessions[0]).to.include({ how: 'superseded', stopCommands: 1 });
    expect(engine.witness.stopsUnknown).to.equal(1);
  });
});
