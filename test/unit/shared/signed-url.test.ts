import { expect } from 'chai';
import fc from 'fast-check';
import {
  isSigned,
  signatureOf,
  signedTarget,
  signUrl,
  type SignedAddress,
} from '../../../src/shared/signed-url.js';

const HEX = '0123456789abcdef'.repeat(3).slice(0, 40);
const SECRET = 'a-secret-of-32-characters-or-so';
const GOOD = { expires: 1_900_000_000, user: null };

/** What a worker reads out of an address. */
function read(url: string): { address: SignedAddress; signature: string } | null {
  const { pathname, searchParams } = new URL(url);
  const target = signedTarget(pathname, searchParams);
  if (target === null) return null;
  const expires = Number(searchParams.get('expires'));
  return {
    address: { ...target, expires, user: searchParams.get('user') },
    signature: searchParams.get('signature') ?? '',
  };
}
function opens(url: string, secrets = [SECRET]): boolean {
  const found = read(url);
  return found !== null && isSigned(secrets, found.address, found.signature);
}

describe('A signed address', () => {
  it('is what the documents say', () => {
    // printf 'acestream-proxy-url-1\n/ace/getstream\nid=<hex>\n1900000000\nanna' | openssl dgst -sha256 -hmac …
    const address = {
      path: '/ace/getstream',
      content: `id=${HEX}`,
      expires: 1_900_000_000,
      user: 'anna',
    };
    expect(signatureOf(SECRET, address)).to.equal('lg7aM6hB82WatgiDifQOYfekMGfmjei3SPUPXT8zlPg');
  });

  it('opens what it was made for, however the content is written', () => {
    for (const url of [
      `http://tv.example/ace/getstream?id=${HEX}`,
      `http://tv.example/ace/getstream?id=${HEX.toUpperCase()}&pid=1`,
      `http://tv.example/ace/getstream?id=acestream://${HEX}`,
      `http://tv.example/ace/getstream?infohash=magnet:?xt=urn:btih:${HEX}`,
      'http://tv.example/ace/alias/N%C3%ABws',
      'https://tv.example/tv/playlist.m3u',
      `https://tv.example/prefix/ace/getstream?content_id=${HEX}#x`,
    ]) {
      const signed = signUrl(url, SECRET, { expires: 1_900_000_000, user: 'anna' });
      expect(signed, url).to.be.a('string');
      expect(opens(signed!), url).to.equal(true);
      expect(opens(signed!, ['another', SECRET]), url).to.equal(true);
      expect(opens(signed!, ['another']), url).to.equal(false);
      expect(signUrl(signed!, SECRET, { expires: 1_900_000_000, user: 'anna' }), 'again').to.equal(
        signed,
      );
    }
  });

  it('is the same whatever stands before the path: a reverse proxy may take a prefix away', () => {
    const one = read(signUrl(`https://a.example/tv/ace/getstream?id=${HEX}`, SECRET, GOOD)!);
    const other = read(signUrl(`http://b:8000/ace/getstream/?id=${HEX}`, SECRET, GOOD)!);
    expect(one).to.deep.equal(other);
  });

  it('is not made of what is no media', () => {
    for (const url of [
      'x',
      'http://a/streams',
      'http://a/ace/getstream',
      'http://a/ace/getstream?id=1',
      `http://a/ace/getstream?id=${HEX}&id=${HEX}`,
      'http://a/ace/alias/%ff',
      'http://a/ace/alias/a%0Ab',
      'http://a/ace/alias/',
    ]) {
      expect(signUrl(url, SECRET, GOOD), url).to.equal(null);
    }
  });

  it('does not open after a change of any of its parts', () => {
    const hex = fc
      .array(fc.integer({ min: 0, max: 15 }), { minLength: 40, maxLength: 40 })
      .map((digits) => digits.map((digit) => digit.toString(16)).join(''));
    const address = fc.record({
      path: fc.constantFrom('/ace/getstream', '/ace/alias/news', '/playlist.m3u'),
      content: fc.oneof(
        hex.map((id) => `id=${id}`),
        hex.map((id) => `infohash=${id}`),
        fc.constant(''),
      ),
      expires: fc.integer({ min: 1, max: 2_000_000_000 }),
      user: fc.option(fc.constantFrom('anna', 'bert', 'a1')),
    });
    fc.assert(
      fc.property(address, address, (one, other) => {
        const signature = signatureOf(SECRET, one);
        expect(isSigned([SECRET], one, signature)).to.equal(true);
        const same = JSON.stringify(one) === JSON.stringify(other);
        expect(isSigned([SECRET], other, signature)).to.equal(same);
      }),
      { numRuns: 2_000 },
    );
  });

  it('takes whatever comes for a signature', () => {
    const { address, signature } = read(signUrl('http://a/playlist.m3u', SECRET, GOOD)!)!;
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.base64String(), fc.string({ unit: 'binary' })),
        (text) => {
          expect(isSigned([SECRET], address, text)).to.equal(text === signature);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('reads whatever comes for an address', () => {
    const part = fc.constantFrom(
      '/',
      'ace',
      '/ace/alias/',
      '/ace/getstream',
      'playlist.m3u',
      '%',
      '%2e',
      '..',
      '\u0000',
      'é',
    );
    fc.assert(
      fc.property(fc.array(part), fc.string(), (parts, query) => {
        const target = signedTarget(parts.join(''), new URLSearchParams(query));
        if (target !== null) expect(`${target.path}${target.content}`).to.not.include('\n');
      }),
      { numRuns: 2_000 },
    );
  });
});
