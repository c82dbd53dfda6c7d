import { expect } from 'chai';
import fc from 'fast-check';
import type { StreamId } from '../../../src/shared/ids.js';
import {
  engineUrl,
  isEngineId,
  isHost,
  rehost,
} from '../../../src/worker/engine/engine-address.js';
import { EngineFault } from '../../../src/worker/engine/engine-fault.js';
import {
  kindsToTry,
  parseStartAnswer,
  startPath,
  type StartContext,
} from '../../../src/worker/engine/start-answer.js';

const STREAM = 'a'.repeat(40) as StreamId;
const context: StartContext = {
  engine: { id: 'e1', host: '10.0.0.1', port: 6878, forwarded: false, max: null },
  selector: { stream: STREAM, keyType: 'content_id' },
  acceptedAs: 'content_id',
  pid: 'p',
};

describe('the answer to a start', () => {
  it('gives a session of paths only', () => {
    const { session, foreignHosts } = parseStartAnswer(
      {
        playback_url: 'http://10.0.0.1:6878/ace/r/ab/cd?x=1',
        stat_url: 'http://10.0.0.1:6878/ace/stat/ab/cd',
        command_url: 'http://10.0.0.1:6878/ace/cmd/ab/cd',
        playback_session_id: 'ps',
        infohash: 'AB',
        is_live: '1',
        is_encrypted: 0,
      },
      context,
    );
    expect(session).to.include({
      playbackPath: '/ace/r/ab/cd?x=1',
      statPath: '/ace/stat/ab/cd',
      commandPath: '/ace/cmd/ab/cd',
      playbackSessionId: 'ps',
      infohash: 'ab',
      isLive: true,
      isEncrypted: false,
    });
    expect(foreignHosts).to.deep.equal([]);
  });

  it('may name relative URLs, and none but the playback URL', () => {
    const { session } = parseStartAnswer({ playback_url: '/ace/r/ab/cd' }, context);
    expect(session).to.include({ playbackPath: '/ace/r/ab/cd', statPath: null, commandPath: null });
  });

  it('never leads to the host it names', () => {
    const named = fc.oneof(fc.webUrl({ withQueryParameters: true }), fc.string());
    fc.assert(
      fc.property(named, (playback_url) => {
        let path: string;
        try {
          path = parseStartAnswer({ playback_url }, context).session.playbackPath;
        } catch (thrown) {
          expect(thrown).to.be.instanceOf(EngineFault);
          return;
        }
        expect(engineUrl(context.engine, path).host).to.equal('10.0.0.1:6878');
      }),
    );
  });

  it('says which foreign hosts were named', () => {
    const { foreignHosts } = parseStartAnswer(
      { playback_url: 'http://127.0.0.1:6878/ace/r/1/2', stat_url: 'http://127.0.0.1:6878/s' },
      context,
    );
    expect(foreignHosts).to.deep.equal(['127.0.0.1:6878']);
  });

  it('without a playback URL is a fault of the engine', () => {
    expect(() => parseStartAnswer({ stat_url: '/x' }, context)).to.throw(
      EngineFault,
      /playback_url/,
    );
    expect(() => parseStartAnswer('text', context)).to.throw(EngineFault);
  });
});

describe('the kinds of a hex', () => {
  it('are tried by the speed of their refusal, the remembered one first', () => {
    expect(kindsToTry('id', null)).to.deep.equal(['content_id', 'infohash']);
    expect(kindsToTry('id', 'infohash')).to.deep.equal(['infohash', 'content_id']);
    expect(kindsToTry('infohash', 'content_id')).to.deep.equal(['infohash']);
    expect(kindsToTry('content_id', null)).to.deep.equal(['content_id']);
  });

  it('are asked for by the parameters all versions know', () => {
    expect(startPath(STREAM, 'content_id', 'p')).to.equal(
      `/ace/getstream?id=${STREAM}&format=json&pid=p`,
    );
    expect(startPath(STREAM, 'infohash', 'p')).to.contain(`infohash=${STREAM}`);
  });
});

describe('an engine address', () => {
  it('takes host names, container names and IP addresses', () => {
    for (const host of ['10.0.0.1', 'engine-1', 'gluetun_a.net', '::1', '[::1]', 'localhost']) {
      expect(isHost(host), host).to.be.true;
    }
    for (const host of [
      '',
      'a b',
      'a/b',
      'a:80',
      'user@h',
      '.a',
      'http://h',
      '10.0.0.300',
      'x'.repeat(300),
    ]) {
      expect(isHost(host), host).to.be.false;
    }
  });

  it('puts IPv6 in brackets', () => {
    expect(engineUrl({ host: '::1', port: 1 }, '/x').href).to.equal('http://[::1]:1/x');
    expect(engineUrl({ host: '[::1]', port: 1 }, '/x').href).to.equal('http://[::1]:1/x');
  });

  it('has an id that is safe in a key and a path', () => {
    expect(isEngineId('a-1.b:6878')).to.be.true;
    for (const id of ['', 'a/b', 'a b', 'a\n', 'é', 'x'.repeat(301)]) {
      expect(isEngineId(id), id).to.be.false;
    }
  });

  it('keeps only the path of a redirect, and refuses one without a path', () => {
    const base = new URL('http://h:1/ace/r/1');
    expect(rehost('https://evil/x?y=1', base)).to.deep.equal({
      path: '/x?y=1',
      foreignHost: 'evil',
    });
    expect(rehost('//evil/x', base)?.path).to.equal('/x');
    expect(rehost('2', base)).to.deep.equal({ path: '/ace/r/2', foreignHost: null });
    expect(rehost('mailto:a@b', base)).to.be.null;
    expect(rehost('http://[', base)).to.be.null;
    expect(rehost('', base)).to.be.null;
  });
});
