import { expect } from 'chai';
import { setTimeout as delay } from 'node:timers/promises';
import type { StreamId } from '../../../src/shared/ids.js';
import { EngineFaultKind, type EngineSession } from '../../../src/worker/contracts.js';
import { openPlayback } from '../../../src/worker/engine/open-playback.js';
import { until } from '../../helpers/until.js';
import { faultOf, listen, openOptions } from './playback-fixture.js';
import { addressOf, startRawEngine, type RawEngine } from './raw-engine.js';

const STREAM = 'cd'.repeat(20) as StreamId;

describe('a playback answer byte by byte', () => {
  let raw: RawEngine;
  const sessionOf = (): EngineSession => ({
    engine: addressOf(raw),
    selector: { stream: STREAM, keyType: 'content_id' },
    acceptedAs: 'content_id',
    pid: 'p',
    playbackSessionId: 's',
    playbackPath: '/ace/r/1/2',
    statPath: null,
    commandPath: null,
    infohash: null,
    isLive: true,
    isEncrypted: false,
  });
  afterEach(async () => {
    await until('nothing is left open', () => raw.openSockets === 0);
    await raw.close();
  });

  it('keeps what came before the reader was started', async () => {
    raw = await startRawEngine((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nabc'));
    const reader = await openPlayback(sessionOf(), openOptions());
    await delay(50);
    const heard = listen(reader);
    await until('the end', () => heard.ends.length > 0);
    expect(heard.bytes().toString()).to.equal('abc');
    expect(heard.ends[0]?.reason).to.equal('eof');
  });

  it('hands small reads over after 20 ms', async () => {
    raw = await startRawEngine((socket) => socket.write('HTTP/1.1 200 OK\r\n\r\nabc'));
    const reader = await openPlayback(sessionOf(), openOptions());
    const heard = listen(reader);
    await until('the bytes', () => heard.bytes().toString() === 'abc', 500);
    await reader.close();
  });

  it('refuses a redirect without a path', async () => {
    raw = await startRawEngine((socket) =>
      socket.end('HTTP/1.1 302 Found\r\nLocation: mailto:a@b\r\n\r\n'),
    );
    expect(await faultOf(openPlayback(sessionOf(), openOptions()))).to.include({
      reason: 'bad-redirect',
    });
  });

  it('reads the text of an error that does not end', async () => {
    raw = await startRawEngine((socket) =>
      socket.write('HTTP/1.1 500 Oops\r\nContent-Type: text/plain\r\n\r\nstart timeout'),
    );
    expect(await faultOf(openPlayback(sessionOf(), openOptions()))).to.include({
      reason: 'start-timeout',
    });
  });

  it('may be cut in its headers', async () => {
    raw = await startRawEngine((socket) => socket.end('HTTP/1.1 200 OK\r\nServer: x'));
    const fault = await faultOf(openPlayback(sessionOf(), openOptions()));
    expect(fault.kind).to.be.oneOf([EngineFaultKind.Session, EngineFaultKind.Engine]);
  });
});
