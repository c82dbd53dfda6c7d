import { expect } from 'chai';
import fc from 'fast-check';
import { AppError } from '../../../src/shared/errors.js';
import { KEY_TYPES } from '../../../src/shared/ids.js';
import { parsePathStream, parseStreamRequest } from '../../../src/worker/http/stream-request.js';

const PATH = '/ace/getstream';
const HEX = '0123456789abcdef0123456789abcdef01234567';

const hex = fc.stringMatching(/^[0-9a-f]{40}$/);
const keyType = fc.constantFrom(...KEY_TYPES);
const mixedCase = fc
  .tuple(hex, fc.array(fc.boolean(), { minLength: 40, maxLength: 40 }))
  .map(([text, upper]) =>
    text.replace(/./g, (digit, at: number) => (upper[at] ? digit.toUpperCase() : digit)),
  );

function badId(url: string): AppError {
  try {
    parseStreamRequest(url);
  } catch (error) {
    expect(error).to.be.instanceOf(AppError);
    expect((error as AppError).code).to.equal('BAD_ID');
    return error as AppError;
  }
  throw new Error(`${url} was accepted`);
}

/** RFC 4648 by the book, to check the parser against. */
function toBase32(digits: string): string {
  const bits = digits.replace(/./g, (digit) => parseInt(digit, 16).toString(2).padStart(4, '0'));
  return (bits.match(/.{5}/g) ?? [])
    .map((five) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[parseInt(five, 2)])
    .join('');
}

describe('parseStreamRequest', () => {
  it('takes forty hex digits in any case under each of the three names', () => {
    fc.assert(
      fc.property(keyType, mixedCase, (name, text) => {
        expect(parseStreamRequest(`${PATH}?${name}=${text}`)).to.deep.equal({
          stream: text.toLowerCase(),
          keyType: name,
        });
      }),
    );
  });

  it('reads a magnet link as an infohash, in hex and in base32', () => {
    fc.assert(
      fc.property(hex, fc.boolean(), fc.constantFrom('id', 'infohash'), (text, base32, name) => {
        const hash = base32 ? toBase32(text) : text;
        const link = encodeURIComponent(`magnet:?dn=News&xt=urn:btih:${hash}&tr=udp://t`);
        expect(parseStreamRequest(`${PATH}?${name}=${link}`)).to.deep.equal({
          stream: text,
          keyType: 'infohash',
        });
      }),
    );
  });

  it('reads a magnet link that a player did not encode', () => {
    const url = `${PATH}?id=magnet:?xt=urn:btih:${HEX}&dn=News`;
    expect(parseStreamRequest(url)).to.deep.equal({ stream: HEX, keyType: 'infohash' });
  });

  it('leaves the kind of an acestream link to what it was asked as', () => {
    expect(parseStreamRequest(`${PATH}?id=acestream://${HEX}`).keyType).to.equal('id');
    const link = encodeURIComponent(`acestream://${HEX.toUpperCase()}`);
    expect(parseStreamRequest(`${PATH}?content_id=${link}`)).to.deep.equal({
      stream: HEX,
      keyType: 'content_id',
    });
  });

  it('ignores the pid and every other parameter', () => {
    const url = `${PATH}?pid=1&pid=2&format=json&id=${HEX}&x=${'y'.repeat(100)}`;
    expect(parseStreamRequest(url)).to.deep.equal({ stream: HEX, keyType: 'id' });
  });

  it('refuses a content that is not named exactly once', () => {
    badId(PATH);
    badId(`${PATH}?`);
    badId(`${PATH}?pid=1`);
    badId(`${PATH}?id=${HEX}&id=${HEX}`);
    badId(`${PATH}?id=${HEX}&infohash=${HEX}`);
    badId(`${PATH}?id=${HEX}&content_id=`);
  });

  it('refuses a link that contradicts the name it is given under', () => {
    badId(`${PATH}?infohash=acestream://${HEX}`);
    badId(`${PATH}?content_id=${encodeURIComponent(`magnet:?xt=urn:btih:${HEX}`)}`);
  });

  it('refuses a magnet link without exactly one well-formed btih', () => {
    const magnet = (query: string): string =>
      `${PATH}?id=${encodeURIComponent(`magnet:?${query}`)}`;
    badId(magnet('dn=News'));
    badId(magnet(`xt=urn:btmh:${HEX}`));
    badId(magnet(`xt=urn:btih:${HEX}&xt=urn:btih:${HEX}`));
    badId(magnet(`xt=urn:btih:${'1'.repeat(32)}`));
    badId(magnet(`xt=urn:btih:${HEX}0`));
  });

  it('refuses whatever else stands there, and says what is accepted instead of repeating it', () => {
    fc.assert(
      fc.property(keyType, fc.string(), (name, text) => {
        const value = `<script>${text}`;
        const error = badId(`${PATH}?${name}=${encodeURIComponent(value)}`);
        expect(JSON.stringify(error.toBody())).to.not.include('<script>');
        expect(error.toBody()['accepted']).to.be.an('array').that.is.not.empty;
      }),
    );
  });

  it('never throws anything but BAD_ID, and never lets anything but forty hex digits through', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          expect(parseStreamRequest(text).stream).to.match(/^[0-9a-f]{40}$/);
        } catch (error) {
          expect((error as AppError).code).to.equal('BAD_ID');
        }
      }),
    );
  });

  it('is not misled by malformed percent signs', () => {
    badId(`${PATH}?id=%`);
    badId(`${PATH}?id=${HEX}%zz`);
    badId(`${PATH}?id=%00${HEX}`);
  });
});

describe('parsePathStream', () => {
  it('takes the hex and nothing else', () => {
    expect(parsePathStream(HEX.toUpperCase())).to.equal(HEX);
    for (const text of ['', 'x', `acestream://${HEX}`, `${HEX}0`, '../engines']) {
      expect(() => parsePathStream(text))
        .to.throw(AppError)
        .with.property('code', 'BAD_ID');
    }
  });
});
