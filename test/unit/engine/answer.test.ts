import { expect } from 'chai';
import fc from 'fast-check';
import { EngineFaultKind } from '../../../src/worker/contracts.js';
import {
  classifyStatus,
  parseEnvelope,
  readInteger,
  type Refusal,
} from '../../../src/worker/engine/answer.js';
import { classifyNetworkFailure, EngineFault } from '../../../src/worker/engine/engine-fault.js';
import { parseStat } from '../../../src/worker/engine/stat.js';

function refusal(text: string, status = 200): Refusal {
  const envelope = parseEnvelope({ status, text });
  if (envelope.ok) throw new Error('a refusal was expected');
  return envelope.refusal;
}

describe('an answer of an engine', () => {
  it('is its response when there is no error', () => {
    const text = '{"response":{"peers":1},"error":null}';
    expect(parseEnvelope({ status: 200, text })).to.deep.equal({
      ok: true,
      response: { peers: 1 },
    });
  });

  it('is its result in the second envelope, also without an error key', () => {
    const text = '{"result":{"code":1}}';
    expect(parseEnvelope({ status: 200, text })).to.deep.equal({ ok: true, response: { code: 1 } });
  });

  const cases: readonly (readonly [string, string, number, EngineFaultKind, string])[] = [
    ['a content it cannot load', '{"response":null,"error":"failed to load content"}', 200, EngineFaultKind.Content, 'load-failed'],
    ['the same with status 500', '{"response":null,"error":"failed to load content"}', 500, EngineFaultKind.Content, 'load-failed'],
    ['a supersession', '{"response":null,"error":"got newer download"}', 200, EngineFaultKind.Conflict, 'newer-download'],
    ['a licence', '{"response":null,"error":"you need to activate Premium"}', 200, EngineFaultKind.Engine, 'licence'],
    ['a forgotten session', '{"response":null,"error":"unknown playback session id"}', 200, EngineFaultKind.Session, 'unknown-session'],
    ['an error object', '{"result":null,"error":{"message":"access denied","code":1}}', 200, EngineFaultKind.Engine, 'access-denied'],
    ['an error object without a message', '{"response":null,"error":{"code":7}}', 200, EngineFaultKind.Engine, 'error'],
    ['a text in brackets', '{"response":null,"error":"[x] <y> cannot load transport file"}', 200, EngineFaultKind.Content, 'load-failed'],
    ['null in both fields', '{"response":null,"error":null}', 200, EngineFaultKind.Engine, 'null-answer'],
    ['truncated JSON', '{"response": {"playback_u', 200, EngineFaultKind.Engine, 'bad-json'],
    ['HTML', '<!DOCTYPE html><p>nginx</p>', 200, EngineFaultKind.Engine, 'html'],
    ['nothing', '', 200, EngineFaultKind.Engine, 'empty'],
    ['the text of a dead path', "Internal Server Error, couldn't find resource", 500, EngineFaultKind.Session, 'unknown-session'],
    ['a start that took too long', 'start timeout', 500, EngineFaultKind.Timeout, 'start-timeout'],
    ['any other 500', 'oops', 500, EngineFaultKind.Engine, 'http-500'],
    ['a 404', 'nope', 404, EngineFaultKind.Content, 'http-404'],
    ['a 503', '', 503, EngineFaultKind.Engine, 'http-503'],
  ]; // prettier-ignore
  for (const [name, text, status, kind, reason] of cases) {
    it(`is classified: ${name}`, () => {
      expect(refusal(text, status)).to.include({ kind, reason });
    });
  }

  it('is classified whatever bytes it has', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 100, max: 599 }), (text, status) => {
        const envelope = parseEnvelope({ status, text });
        if (!envelope.ok) expect(envelope.refusal.reason).to.match(/^[a-z0-9-]+$/);
      }),
    );
  });

  it('is never taken for a success when its JSON is cut anywhere', () => {
    const whole = '{"response":{"playback_url":"http://h/ace/r/1/2","is_live":1},"error":null}';
    for (let cut = 0; cut < whole.length; cut += 1) {
      expect(parseEnvelope({ status: 200, text: whole.slice(0, cut) }).ok, String(cut)).to.be.false;
    }
  });

  it('has numbers as numbers or as strings', () => {
    expect([readInteger(5), readInteger('5'), readInteger('5.9')]).to.deep.equal([5, 5, 5]);
    expect([readInteger(''), readInteger('x'), readInteger(null), readInteger({})]).to.deep.equal([
      null,
      null,
      null,
      null,
    ]);
  });
});

describe('a stat answer', () => {
  it('may be empty', () => {
    expect(Object.values(parseStat({}))).to.deep.equal(Array(8).fill(null));
  });

  it('may carry its integers as strings, as livepos always does', () => {
    const stat = parseStat({
      status: 'dl',
      peers: '12',
      speed_down: 300,
      downloaded: '99',
      livepos: { live_last: '1700000000', last: '3' },
    });
    expect(stat).to.include({ status: 'dl', peers: 12, speedDown: 300, downloaded: 99 });
    expect(stat.liveLast).to.equal(1_700_000_000);
  });

  it('survives any JSON', () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => void parseStat(value)));
  });
});

describe('an engine fault', () => {
  it('has a message of one printable line of at most 512 characters', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 3_000 }), (message) => {
        const fault = new EngineFault({
          kind: EngineFaultKind.Engine,
          reason: 'error',
          message,
          engineId: 'e',
        });
        expect(fault.message.length).to.be.at.most(512);
        expect(fault.message).not.to.match(/[\p{Cc}\p{Cf}]/u);
      }),
    );
  });

  it('tells a second reader from a thing that is no HTTP server', () => {
    expect(classifyNetworkFailure('HPE_INVALID_HEADER_TOKEN')).to.deep.equal({
      kind: EngineFaultKind.Conflict,
      reason: 'second-reader',
    });
    expect(classifyNetworkFailure('HPE_INVALID_CONSTANT').reason).to.equal('not-http');
  });

  it('of a status keeps the text of the engine', () => {
    expect(classifyStatus(502, 'bad gateway').message).to.equal('HTTP 502: bad gateway');
  });
});
