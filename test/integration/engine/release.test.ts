import { expect } from 'chai';
import type { Socket } from 'node:net';
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';

import { systemClock } from '../../../src/shared/clock.js';
import type { StreamId } from '../../../src/shared/ids.js';
import { silentLogger } from '../../helpers/silent-logger.js';
import type { MovableReader } from '../../../src/worker/contracts.js';
import { startSession } from '../../../src/worker/engine/acestream-session.js';
import { openHttp } from '../../../src/worker/engine/http-door.js';
import { adoptPlayback, openPlayback } from '../../../src/worker/engine/open-playback.js';
import { PlaybackReader } from '../../../src/worker/engine/playback-reader.js';
import { DirectBody } from '../../../src/worker/engine/raw-body.js';
import { stopSession } from '../../../src/worker/engine/stop-session.js';
import { counterBytes, ToyEngine } from '../../helpers/toy-engine.js';
import { until } from '../../helpers/until.js';
import { startEngine } from '../../simulator/engine.js';
import { listen, openOptions } from './playback-fixture.js';
import { addressOf, startRawEngine, type RawEngine } from './raw-engine.js';

const SETTINGS = { readBytes: 8_192, stallTimeoutMs: 1_000 };

async function open(port: number): Promise<MovableReader> {
  const url = new URL(`http://127.0.0.1:${String(port)}/`);
  const answer = await openHttp({ url, connectTimeoutMs: 1_000 });
  expect(answer.status).to.equal(200);
  return new PlaybackReader(answer, SETTINGS, systemClock);
}

/** The socket of a reader that can be released. */
function released(reader: MovableReader): Socket {
  const socket = reader.release();
  if (socket === null) throw new Error('the reader cannot be released');
  return socket;
}

describe('a reader that gives its connection up', () => {
  let engine: ToyEngine;
  beforeEach(async () => {
    engine = await new ToyEngine(100_003).start();
  });
  afterEach(() => engine.close());

  /** What is done between the start of a reader and its release. */
  const moments: Record<string, () => Promise<unknown>> = {
    'at once': () => Promise.resolve(),
    'in the next turn of the loop': () => turn(),
    'after some turns': async () => {
      for (let count = 0; count < 7; count += 1) await turn();
    },
    'after a while': () => delay(15),
    'after the loop was blocked': async () => {
      for (const end = Date.now() + 30; Date.now() < end;);
      await turn();
    },
  };

  it('leaves no connection behind when it is closed by the first bytes it hands on', async () => {
    const url = new URL(`http://127.0.0.1:${String(engine.port)}/`);
    const body = new DirectBody(await openHttp({ url, connectTimeoutMs: 1_000 }));
    // Bytes are here already: they come within the call.
    await delay(50);
    let reads = 0;
    body.readBody({
      onData: () => {
        reads += 1;
        if (reads === 1) void body.close();
      },
      onEnd: () => undefined,
    });
    expect(reads).to.be.greaterThan(0);
    await until('the engine sees it closed', () => engine.open === 0);
  });

  for (const [name, moment] of Object.entries(moments)) {
    it(`loses and repeats no byte when it is released ${name}`, async () => {
      let reader = await open(engine.port);
      // All buffers on the way are full, and the socket is paused, when the first one starts.
      await delay(50);
      const reads: Buffer[] = [];
      for (let move = 0; move < 20; move += 1) {
        const heard = listen(reader);
        await moment();
        const socket = released(reader);
        expect(reader.release()).to.equal(null);
        reads.push(heard.bytes());
        const { length } = heard.reads;
        const old = reader;
        reader = adoptPlayback(socket, SETTINGS);
        if (move % 2 === 0) await old.close();
        await turn();
        expect(heard.reads).to.have.length(length);
        expect(heard.ends).to.deep.equal([]);
      }
      const heard = listen(reader);
      await until('media goes on', () => heard.bytes().length > 1_000_000);
      await reader.close();
      const bytes = Buffer.concat([...reads, heard.bytes()]);
      expect(bytes.equals(counterBytes(0, bytes.length))).to.equal(true);
      expect(engine.sockets).to.have.length(1);
      await until('the engine sees the close', () => engine.open === 0);
    });
  }

  it('loses nothing when it is released from within a read', async () => {
    const first = await open(engine.port);
    const reads: Buffer[] = [];
    const socket = await new Promise<Socket>((resolve) => {
      first.start({
        onData: (bytes) => {
          reads.push(bytes);
          const taken = reads.length === 20 ? first.release() : null;
          if (taken !== null) resolve(taken);
        },
        onEnd: () => undefined,
      });
    });
    const second = adoptPlayback(socket, SETTINGS);
    const heard = listen(second);
    await until('media goes on', () => heard.bytes().length > 1_000_000);
    await second.close();
    const bytes = Buffer.concat([...reads, heard.bytes()]);
    expect(bytes.equals(counterBytes(0, bytes.length))).to.equal(true);
  });

  it('does not read from a connection that nobody has adopted', async () => {
    const reader = await open(engine.port);
    const heard = listen(reader);
    await until('media', () => heard.reads.length > 0);
    const socket = released(reader);
    const { bytesRead } = socket;
    await delay(100);
    expect([socket.bytesRead, socket.readableLength]).to.deep.equal([bytesRead, 0]);
    socket.destroy();
    await until('the engine sees the close', () => engine.open === 0);
  });

  it('hands a small read over before it goes', async () => {
    const raw = await startRawEngine((socket) => socket.write('HTTP/1.1 200 OK\r\n\r\nabc'));
    const reader = await open(raw.port);
    const heard = listen(reader);
    const socket = released(reader);
    expect(heard.bytes().toString()).to.equal('abc');
    socket.destroy();
    await until('nothing is left open', () => raw.openSockets === 0);
    await raw.close();
  });
});

describe('a reader that goes on where another one was released', () => {
  let raw: RawEngine;
  let peer: Socket;

  async function adopted(): Promise<MovableReader> {
    raw = await startRawEngine((socket) => {
      peer = socket;
      socket.write('HTTP/1.1 200 OK\r\n\r\nabc');
    });
    const first = await open(raw.port);
    const heard = listen(first);
    await until('media', () => heard.reads.length > 0);
    return adoptPlayback(released(first), SETTINGS);
  }
  afterEach(async () => {
    await until('nothing is left open', () => raw.openSockets === 0);
    await raw.close();
  });

  it('ends with eof when the engine ends the connection', async () => {
    const heard = listen(await adopted());
    peer.end('def');
    await until('the end', () => heard.ends.length > 0);
    expect(heard.bytes().toString()).to.equal('def');
    expect(heard.ends.map(({ reason }) => reason)).to.deep.equal(['eof']);
  });

  it('ends with eof when the engine had ended the connection before', async () => {
    const reader = await adopted();
    peer.end('def');
    await delay(50);
    const heard = listen(reader);
    await until('the end', () => heard.ends.length > 0);
    expect(heard.bytes().toString()).to.equal('def');
    expect(heard.ends.map(({ reason }) => reason)).to.deep.equal(['eof']);
  });

  it('ends with reset when the engine resets the connection', async () => {
    const heard = listen(await adopted());
    peer.resetAndDestroy();
    await until('the end', () => heard.ends.length > 0);
    expect(heard.ends.map(({ reason }) => reason)).to.deep.equal(['reset']);
  });

  it('ends with reset also when that came before it was started', async () => {
    const reader = await adopted();
    peer.resetAndDestroy();
    await delay(50);
    const heard = listen(reader);
    await until('the end', () => heard.ends.length > 0);
    expect(heard.ends.map(({ reason }) => reason)).to.deep.equal(['reset']);
  });

  it('notices a stall', async () => {
    const heard = listen(await adopted());
    await until('the end', () => heard.ends.length > 0);
    expect(heard.ends.map(({ reason }) => reason)).to.deep.equal(['stall']);
  });
});

describe('a reader that cannot give its connection up', () => {
  for (const framing of ['chunked', 'content-length-huge'] as const) {
    it(`goes on when the body is framed by ${framing}`, async () => {
      const engine = await startEngine({ framing });
      const session = await startSession(
        addressOf(engine),
        { stream: 'cd'.repeat(20) as StreamId, keyType: 'content_id' },
        {
          signal: new AbortController().signal,
          connectTimeoutMs: 1_000,
          answerTimeoutMs: 3_000,
          log: silentLogger,
        },
      );
      const reader = await openPlayback(session, openOptions());
      const heard = listen(reader);
      await until('media', () => heard.bytes().length > 10_000);
      expect(reader.release()).to.equal(null);
      const { length } = heard.bytes();
      await until('more media', () => heard.bytes().length > length + 10_000);
      expect(heard.ends).to.deep.equal([]);
      await reader.close();
      await stopSession(session);
      await engine.untilClean();
      await engine.stop();
    });
  }

  it('is one that was not started, has ended or was closed', async () => {
    const raw = await startRawEngine((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nabc'));
    const reader = await open(raw.port);
    expect(reader.release()).to.equal(null);
    const heard = listen(reader);
    await until('the end', () => heard.ends.length > 0);
    expect(reader.release()).to.equal(null);
    await reader.close();
    expect(reader.release()).to.equal(null);
    await raw.close();
  });
});
