import { expect } from 'chai';
import { setTimeout as delay } from 'node:timers/promises';
import type { StreamId } from '../../../src/shared/ids.js';
import { silentLogger } from '../../helpers/silent-logger.js';
import {
  EngineFaultKind,
  type EngineSession,
  type EngineStat,
} from '../../../src/worker/contracts.js';
import { startSession } from '../../../src/worker/engine/acestream-session.js';
import { openPlayback } from '../../../src/worker/engine/open-playback.js';
import { stopSession } from '../../../src/worker/engine/stop-session.js';
import { startEngine, type EngineOptions, type SimulatedEngine } from '../../simulator/engine.js';
import { until } from '../../helpers/until.js';
import { faultOf, listen, openOptions } from './playback-fixture.js';
import { addressOf } from './raw-engine.js';

const STREAM = 'cd'.repeat(20) as StreamId;

describe('reading the playback URL', () => {
  let engine: SimulatedEngine;
  let session: EngineSession;
  const using = async (more: EngineOptions = {}): Promise<void> => {
    engine = await startEngine(more);
    session = await startSession(
      addressOf(engine),
      { stream: STREAM, keyType: 'content_id' },
      {
        signal: new AbortController().signal,
        connectTimeoutMs: 1_000,
        answerTimeoutMs: 3_000,
        log: silentLogger,
      },
    );
  };
  afterEach(async () => {
    try {
      await stopSession(session);
      await engine.untilClean();
    } finally {
      await engine.stop();
    }
  });

  for (const framing of ['close', 'chunked', 'content-length-huge'] as const) {
    it(`gives every byte, framed by ${framing} and without a Content-Type`, async () => {
      await using({ framing, contentType: '' });
      const reader = await openPlayback(session, openOptions());
      const heard = listen(reader);
      await until('a second of media', () => heard.bytes().length > 500_000);
      await reader.close();
      const bytes = heard.bytes();
      for (let at = 0; at < bytes.length; at += 188) expect(bytes[at]).to.equal(0x47);
      expect(heard.ends).to.deep.equal([]);
    });
  }

  it('gathers small reads', async () => {
    await using({ burstSeconds: 0, bitrate: 1_000_000 });
    const reader = await openPlayback(session, openOptions({ readBytes: 4_096 }));
    const heard = listen(reader);
    await until('some media', () => heard.bytes().length > 100_000);
    await reader.close();
    const mean = heard.bytes().length / heard.reads.length;
    // 10 ms of 1 Mbit/s are 1250 bytes.
    expect(mean).to.be.above(2_000);
  });

  it('says nothing after it was closed, and its socket is gone by then', async () => {
    await using();
    const reader = await openPlayback(session, openOptions());
    const heard = listen(reader);
    await until('media', () => heard.reads.length > 0);
    await reader.close();
    const { length } = heard.reads;
    await stopSession(session);
    await delay(50);
    expect(heard.reads.length).to.equal(length);
    expect(heard.ends).to.deep.equal([]);
    await reader.close();
  });

  const ends: readonly (readonly [string, EngineOptions, EngineFaultKind, string])[] = [
    ['an end', { eofAfterMs: 200 }, EngineFaultKind.Session, 'eof'],
    [
      'the end of chunked coding',
      { eofAfterMs: 200, framing: 'chunked', closeMode: 'chunk-end' },
      EngineFaultKind.Session,
      'eof',
    ],
    ['a reset', { eofAfterMs: 200, closeMode: 'rst' }, EngineFaultKind.Session, 'reset'],
    ['an end in a packet', { dropAtByte: 99_999 }, EngineFaultKind.Session, 'eof'],
    ['silence', { stallAfterMs: 200 }, EngineFaultKind.Timeout, 'stall'],
    ['a bad chunk', { framing: 'chunked-bad-size' }, EngineFaultKind.Session, 'bad-framing'],
    ['an end without a byte', { playbackOpen: 'eof-zero-bytes' }, EngineFaultKind.Session, 'eof'],
  ];
  for (const [name, knobs, kind, reason] of ends) {
    it(`takes ${name} for a fault, once`, async () => {
      await using(knobs);
      const reader = await openPlayback(session, openOptions({ stallTimeoutMs: 400 }));
      const heard = listen(reader);
      await until('the end', () => heard.ends.length > 0);
      await delay(50);
      expect(heard.ends.map((end) => [end.kind, end.reason])).to.deep.equal([[kind, reason]]);
      if (reason === 'stall' || name === 'an end') expect(heard.bytes().length % 188).to.equal(0);
      if (name === 'an end in a packet') expect(heard.bytes().length).to.equal(99_999);
      await reader.close();
    });
  }

  it('waits while the engine withholds its answer, and shows stat meanwhile', async () => {
    await using({ prebufferMs: 2_300 });
    const stats: EngineStat[] = [];
    const reader = await openPlayback(
      session,
      openOptions({ headerTimeoutMs: 2_000, onStat: (stat) => stats.push(stat) }),
    );
    expect(stats.map(({ status }) => status)).to.include('prebuf');
    await reader.close();
  });

  it('gives up early when there is no peer', async () => {
    await using({ preset: 'dead-channel' });
    const begin = Date.now();
    const fault = await faultOf(
      openPlayback(session, openOptions({ headerTimeoutMs: 8_000, noPeersMs: 1_500 })),
    );
    expect(fault).to.include({ kind: EngineFaultKind.Timeout, reason: 'no-peers' });
    expect(Date.now() - begin).to.be.within(1_400, 4_000);
  });

  it('gives up when nothing is heard of the engine', async () => {
    await using({ playbackOpen: 'never', statMode: 'hang' });
    const fault = await faultOf(openPlayback(session, openOptions({ headerTimeoutMs: 300 })));
    expect(fault).to.include({ kind: EngineFaultKind.Timeout, reason: 'header-timeout' });
  });

  it('ends at once with the reason of the abort', async () => {
    await using({ playbackOpen: 'never' });
    const abort = new AbortController();
    const opening = openPlayback(session, openOptions({ signal: abort.signal }));
    await until('the opening is under way', () => engine.witness.connections === 2);
    abort.abort(new Error('nobody watches'));
    const thrown: unknown = await opening.catch((error: unknown) => error);
    expect(thrown).to.have.property('message', 'nobody watches');
  });

  const refusals: readonly (readonly [EngineOptions['playbackOpen'], EngineFaultKind, string])[] = [
    ['500-start-timeout', EngineFaultKind.Timeout, 'start-timeout'],
    ['500-failed-to-start', EngineFaultKind.Timeout, 'start-timeout'],
    ['403', EngineFaultKind.Conflict, 'superseded'],
    ['404', EngineFaultKind.Session, 'unknown-session'],
  ];
  for (const [playbackOpen, kind, reason] of refusals) {
    it(`says what a refusal means: ${String(playbackOpen)}`, async () => {
      await using({ timeScale: 0.05, ...(playbackOpen && { playbackOpen }) });
      const fault = await faultOf(openPlayback(session, openOptions()));
      expect(fault.kind, fault.message).to.equal(kind);
      expect(fault.reason).to.be.oneOf([reason, `http-${String(playbackOpen)}`]);
    });
  }

  it('knows a second reader by its two status lines', async () => {
    await using({ secondReader: 'double-status-line' });
    const first = await openPlayback(session, openOptions());
    const heard = listen(first);
    const fault = await faultOf(openPlayback(session, openOptions()));
    expect(fault).to.include({ kind: EngineFaultKind.Conflict, reason: 'second-reader' });
    const { length } = heard.bytes();
    await until('the first reader goes on', () => heard.bytes().length > length);
    await first.close();
    // This test is the second reader itself.
    engine.witness.violations.length = 0;
    engine.witness.maxReadersPerSession = 1;
  });

  it('opens the same URL again after its socket is closed, without meeting itself', async () => {
    await using();
    for (let round = 0; round < 5; round += 1) {
      const reader = await openPlayback(session, openOptions());
      const heard = listen(reader);
      await until('media', () => heard.reads.length > 0);
      await reader.close();
    }
    expect(engine.witness.maxReadersPerSession).to.equal(1);
  });

  it('follows redirects whose bodies never end, on the own address only', async () => {
    await using({ redirects: 4, hostMode: 'wrong-port', redirectKeepOpen: true });
    const reader = await openPlayback(session, openOptions());
    await reader.close();
    expect(engine.witness.foreignContacts).to.equal(0);
  });

  it('gives an engine up that redirects to what only another host has', async () => {
    await using({ redirectTarget: 'foreign' });
    const fault = await faultOf(openPlayback(session, openOptions()));
    expect(fault).to.include({ kind: EngineFaultKind.Engine, reason: 'foreign-redirect' });
    expect(engine.witness.foreignContacts).to.equal(0);
  });

  it('does not follow a loop for ever', async () => {
    await using({ redirectTarget: 'loop' });
    const before = engine.witness.connections;
    const fault = await faultOf(openPlayback(session, openOptions()));
    expect(fault).to.include({ kind: EngineFaultKind.Engine, reason: 'redirect-loop' });
    expect(engine.witness.connections - before).to.equal(6);
  });

  it('does not take its own blocked event loop for silence of the engine', async () => {
    await using();
    const reader = await openPlayback(session, openOptions({ stallTimeoutMs: 300 }));
    const heard = listen(reader);
    await until('media', () => heard.reads.length > 0);
    for (const end = Date.now() + 600; Date.now() < end;);
    await delay(100);
    expect(heard.ends).to.deep.equal([]);
    await reader.close();
  });
});
