import { expect } from 'chai';
import { silentLogger } from '../../helpers/silent-logger.js';
import type { StreamId } from '../../../src/shared/ids.js';
import {
  EngineFaultKind,
  type ContentSelector,
  type EngineSession,
} from '../../../src/worker/contracts.js';
import { startSession, type StartOptions } from '../../../src/worker/engine/acestream-session.js';
import { probe } from '../../../src/worker/engine/probe.js';
import { readStat } from '../../../src/worker/engine/stat.js';
import { stopSession } from '../../../src/worker/engine/stop-session.js';
import { startEngine, type EngineOptions, type SimulatedEngine } from '../../simulator/engine.js';
import { until } from '../../helpers/until.js';
import { faultOf } from './playback-fixture.js';
import { addressOf, startRawEngine } from './raw-engine.js';

const STREAM = 'ab'.repeat(20) as StreamId;
const FAST: EngineOptions = { badIdDelayMs: 20, badInfohashDelayMs: 20 };

function options(changes: Partial<StartOptions> = {}): StartOptions {
  return {
    signal: new AbortController().signal,
    connectTimeoutMs: 1_000,
    answerTimeoutMs: 3_000,
    log: silentLogger,
    ...changes,
  };
}

function start(
  engine: { readonly host: string; readonly port: number },
  keyType: ContentSelector['keyType'] = 'id',
  changes: Partial<StartOptions> = {},
): Promise<EngineSession> {
  return startSession(addressOf(engine), { stream: STREAM, keyType }, options(changes));
}

describe('starting a session', () => {
  let engine: SimulatedEngine;
  const using = async (more: EngineOptions = {}): Promise<SimulatedEngine> => {
    engine = await startEngine({ ...FAST, ...more });
    return engine;
  };
  afterEach(async () => {
    try {
      await engine.untilClean();
    } finally {
      await engine.stop();
    }
  });

  it('asks once, with a pid of its own, and stops by the command URL', async () => {
    await using();
    const first = await start(engine);
    expect(await stopSession(first)).to.equal('stopped');
    const second = await start(engine);
    expect(await stopSession(second)).to.equal('stopped');
    expect(first.pid).not.to.equal(second.pid);
    expect(engine.witness.startRequests[STREAM]).to.equal(2);
  });

  it('falls back to the infohash when the id is refused, and remembers by asking that first', async () => {
    await using({ kind: 'infohash' });
    const session = await start(engine);
    expect(session.acceptedAs).to.equal('infohash');
    await stopSession(session);
    const requests = engine.witness.connections;
    const again = await start(engine, 'id', { rememberedKind: 'infohash' });
    expect(engine.witness.connections - requests).to.equal(1);
    await stopSession(again);
  });

  it('does not ask for the other kind when the player named one', async () => {
    await using({ kind: 'infohash' });
    const fault = await faultOf(start(engine, 'content_id'));
    expect(fault).to.include({ kind: EngineFaultKind.Content, reason: 'load-failed' });
    expect(engine.witness.connections).to.equal(1);
  });

  const answers: readonly (readonly [
    NonNullable<EngineOptions['startAnswer']>,
    EngineFaultKind,
    string | null,
  ])[] = [
    ['failed-to-load', EngineFaultKind.Content, 'load-failed'],
    ['premium', EngineFaultKind.Engine, 'licence'],
    ['newer-download', EngineFaultKind.Conflict, 'newer-download'],
    ['manifest-failed', EngineFaultKind.Content, 'manifest-failed'],
    ['500-text', EngineFaultKind.Engine, null],
    ['html-200', EngineFaultKind.Engine, 'html'],
    ['empty-200', EngineFaultKind.Engine, 'empty'],
    ['truncated-json', EngineFaultKind.Engine, null],
    ['json-null-both', EngineFaultKind.Engine, 'null-answer'],
    ['reset', EngineFaultKind.Engine, 'reset'],
    ['403', EngineFaultKind.Engine, null],
    ['503', EngineFaultKind.Engine, null],
  ];
  for (const [startAnswer, kind, reason] of answers) {
    it(`says what a bad answer means: ${startAnswer}`, async () => {
      await using({ startAnswer });
      const fault = await faultOf(start(engine));
      expect(fault.kind, fault.reason).to.equal(kind);
      if (reason !== null) expect(fault.reason).to.equal(reason);
      expect(fault.engineId).to.equal('e');
      await engine.untilClean();
    });
  }

  it('keeps only the paths of URLs on another host', async () => {
    await using({ hostMode: 'wrong-port' });
    const session = await start(engine);
    expect(session.playbackPath).to.match(/^\/ace\/r\//);
    expect(await stopSession(session)).to.equal('stopped');
    expect(engine.witness.foreignContacts).to.equal(0);
  });

  it('stops the session of an answer that comes after the abort', async () => {
    await using({ startDelayMs: 300 });
    const abort = new AbortController();
    const background: Promise<void>[] = [];
    const started = start(engine, 'id', {
      signal: abort.signal,
      onBackground: (work) => background.push(work),
    });
    await until('the start is under way', () => engine.witness.connections === 1);
    abort.abort(new Error('the player left'));
    const thrown: unknown = await started.catch((error: unknown) => error);
    expect(thrown).to.have.property('message', 'the player left');
    expect(background).to.have.length(1);
    await Promise.all(background);
    expect(engine.witness.starts[STREAM]).to.equal(1);
    expect(engine.witness.stops[STREAM]).to.equal(1);
  });

  it('stops the session of an answer that comes after the deadline', async () => {
    await using({ startDelayMs: 400 });
    const background: Promise<void>[] = [];
    const fault = await faultOf(
      start(engine, 'id', { answerTimeoutMs: 100, onBackground: (work) => background.push(work) }),
    );
    expect(fault).to.include({ kind: EngineFaultKind.Timeout, reason: 'answer-timeout' });
    await Promise.all(background);
    expect(engine.witness.stops[STREAM]).to.equal(1);
  });

  it('asks nothing when it was aborted before', async () => {
    await using();
    const thrown: unknown = await start(engine, 'id', {
      signal: AbortSignal.abort(new Error('gone')),
    }).catch((error: unknown) => error);
    expect(thrown).to.have.property('message', 'gone');
    expect(engine.witness.connections).to.equal(0);
  });

  it('asks for identity encoding on a connection of its own that it closes', async () => {
    await using();
    const session = await start(engine);
    expect([...engine.witness.encodings]).to.deep.equal(['identity']);
    expect(engine.witness.connections).to.equal(1);
    await until('the connection is closed', () => engine.witness.openSockets === 0);
    await stopSession(session);
  });

  it('reads stat, and knows a session that is over', async () => {
    await using({ statMode: 'strings-for-ints' });
    const session = await start(engine);
    const stat = await readStat(session);
    expect(stat).to.be.an('object').that.has.property('peers').that.is.a('number');
    await stopSession(session);
    expect(await readStat(session)).to.equal('unknown-session');
    expect(await stopSession(session)).to.equal('unknown');
  });

  it('bounds a stat that hangs, and takes the text of a dead path for an unknown session', async () => {
    await using({ statMode: 'hang' });
    const session = await start(engine);
    expect(await faultOf(readStat(session, 100))).to.include({ reason: 'answer-timeout' });
    engine.set({ statMode: '500' });
    expect(await readStat(session, 1_000)).to.equal('unknown-session');
    await stopSession(session);
  });

  it('never throws for a stop that hangs, resets or is refused, and tries it twice', async () => {
    await using();
    const session = await start(engine);
    for (const cmdMode of ['hang', 'reset'] as const) {
      engine.set({ cmdMode });
      const before = engine.witness.connections;
      expect(await stopSession(session, 100), cmdMode).to.equal('failed');
      expect(engine.witness.connections - before, cmdMode).to.equal(2);
    }
    engine.set({ cmdMode: 'unknown' });
    expect(await stopSession(session)).to.equal('unknown');
    engine.set({ cmdMode: 'ok' });
    await stopSession(session);
  });

  it('probes by the version', async () => {
    await using({ version: '3.2.3' });
    expect(await probe(addressOf(engine))).to.deep.equal({ version: '3.2.3' });
    engine.set({ versionMode: 'hang' });
    expect(await faultOf(probe(addressOf(engine), 100))).to.include({ reason: 'answer-timeout' });
    engine.set({ versionMode: 'html' });
    expect(await faultOf(probe(addressOf(engine)))).to.include({ reason: 'html' });
    await engine.kill();
    expect(await faultOf(probe(addressOf(engine)))).to.include({ reason: 'refused' });
    await engine.revive();
  });
});

describe('an engine that is none', () => {
  it('is bounded in the bytes of its answer', async () => {
    const raw = await startRawEngine((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n{"response":"');
      socket.write('x'.repeat(100 * 1024));
    });
    try {
      const fault = await faultOf(start(raw));
      expect(fault).to.include({ kind: EngineFaultKind.Engine, reason: 'too-large' });
      await until('nothing is left open', () => raw.openSockets === 0);
    } finally {
      await raw.close();
    }
  });

  it('may speak no HTTP at all', async () => {
    const raw = await startRawEngine((socket) => socket.end('HELLOTS version=3.2.11\r\n'));
    try {
      const fault = await faultOf(start(raw));
      expect(fault).to.include({ kind: EngineFaultKind.Engine, reason: 'not-http' });
    } finally {
      await raw.close();
    }
  });

  it('may not exist', async () => {
    const raw = await startRawEngine(() => undefined);
    await raw.close();
    expect(await faultOf(start(raw))).to.include({ reason: 'refused' });
    const nowhere = { host: 'no-such-host.invalid', port: 1 };
    expect(await faultOf(start(nowhere))).to.include({ reason: 'unreachable' });
  });

  it('may cut its answer', async () => {
    const raw = await startRawEngine((socket) => {
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"response":{');
    });
    try {
      expect(await faultOf(start(raw))).to.include({ kind: EngineFaultKind.Engine });
    } finally {
      await raw.close();
    }
  });
});
