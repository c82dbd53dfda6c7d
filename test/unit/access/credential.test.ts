import { expect } from 'chai';
import fc from 'fast-check';
import { bearerOf, readCredential, splitPathToken } from '../../../src/worker/access/credential.js';

const TOKEN = 'a-token-of-16-or-more';
const SIGNATURE = 'A'.repeat(43);
const read = (query: string, path: string | null = null, header?: string) =>
  readCredential(path, new URLSearchParams(query), header);

describe('splitPathToken', () => {
  it('takes the token off the paths that players are given', () => {
    for (const rest of [
      '/ace/getstream?id=1',
      '/ace/getstream',
      '/ace/getstream/?id=1',
      '/ace/alias/news',
      '/playlist.m3u?x=/t/2/playlist.m3u',
    ]) {
      expect(splitPathToken(`/t/${TOKEN}${rest}`)).to.deep.equal({ token: TOKEN, url: rest });
    }
  });

  it('leaves everything else as it came', () => {
    for (const url of [
      '/ace/getstream?id=1',
      `/t/${TOKEN}/streams`,
      `/t/${TOKEN}/ace/alias/a/b`,
      `/t/${TOKEN}/playlist.m3u8`,
      `/t//playlist.m3u`,
      `/x/t/${TOKEN}/playlist.m3u`,
      `/t/${TOKEN}/t/${TOKEN}/playlist.m3u`,
      `/t/${'a'.repeat(513)}/playlist.m3u`,
      'http://x/t/1/playlist.m3u',
    ]) {
      expect(splitPathToken(url)).to.deep.equal({ token: null, url });
    }
  });

  it('never gives a path that is not served', () => {
    const part = fc.constantFrom(
      '/',
      't',
      '/t/',
      TOKEN,
      '/ace/',
      'getstream',
      '/playlist.m3u',
      '?',
      '..',
      '%2f',
      '#',
      'alias/',
      '\n',
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 10 }), (parts) => {
        const { token, url } = splitPathToken(parts.join(''));
        if (token === null) return;
        expect(url).to.match(/^\/(?:ace\/getstream|ace\/alias\/[^/?#]+|playlist\.m3u)\/?(?:\?|$)/);
        expect(token).to.not.match(/[/?#]/);
      }),
      { numRuns: 3_000 },
    );
  });
});

describe('readCredential', () => {
  it('takes the path before the query before the signature before the header', () => {
    const token = (from: string, text = TOKEN) => ({ kind: 'token', token: text, from });
    const signed = `expires=5&signature=${SIGNATURE}`;
    const header = 'Bearer other-token-0123456';
    expect(read(`token=x&${signed}`, TOKEN, header)).to.deep.equal(token('path'));
    expect(read(`token=${TOKEN}&${signed}`, null, header)).to.deep.equal(token('query'));
    expect(read(signed, null, header)).to.deep.equal({
      ...{ kind: 'signature', expires: 5, user: null, signature: SIGNATURE },
    });
    expect(read('id=1', null, header)).to.deep.equal(token('header', 'other-token-0123456'));
    expect(read('id=1')).to.deep.equal({ kind: 'none' });
    expect(read('id=1', null, 'Basic dXNlcjpwYXNz')).to.deep.equal({ kind: 'none' });
  });

  it('sees what can never be right', () => {
    for (const query of [
      'token=',
      'token=short',
      `token=${TOKEN}%00`,
      `token=${TOKEN}&token=${TOKEN}`,
    ]) {
      expect(read(query), query).to.deep.equal({ kind: 'malformed', of: 'token' });
    }
    for (const query of [
      'signature=',
      `signature=${SIGNATURE}`,
      `signature=${SIGNATURE}&expires=`,
      `signature=${SIGNATURE}&expires=1e3`,
      `signature=${SIGNATURE}&expires=-1`,
      `signature=${SIGNATURE}&expires=5&expires=6`,
      `signature=${SIGNATURE}&expires=5&user=A%20B`,
      `signature=${SIGNATURE}&expires=5&user=`,
      `signature=${SIGNATURE}=&expires=5`,
    ]) {
      expect(read(query), query).to.deep.equal({ kind: 'malformed', of: 'signature' });
    }
  });

  it('takes whatever comes', () => {
    const name = fc.constantFrom('token', 'signature', 'expires', 'user', 'id');
    const pair = fc.tuple(name, fc.oneof(fc.string(), fc.constantFrom(TOKEN, SIGNATURE, '5')));
    fc.assert(
      fc.property(fc.array(pair), fc.option(fc.string()), fc.string(), (pairs, path, header) => {
        const found = readCredential(path, new URLSearchParams(pairs), header);
        if (found.kind === 'signature') expect(found.signature).to.match(/^[\w-]{43}$/);
        if (found.kind === 'token' && found.from !== 'header')
          expect(found.token).to.match(/^[\w.~-]+$/);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('bearerOf', () => {
  it('reads one token and nothing else', () => {
    expect(bearerOf('bearer  abc ')).to.equal('abc');
    for (const header of [
      undefined,
      '',
      'Bearer',
      'Bearer ',
      'Bearer a b',
      'Basic a',
      'xBearer a',
    ]) {
      expect(bearerOf(header), header).to.equal(null);
    }
  });
});
