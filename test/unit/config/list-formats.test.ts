import { expect } from 'chai';
import fc from 'fast-check';

import { authority } from '../../../src/shared/config/address.js';
import { FormatError } from '../../../src/shared/config/formats.js';
import { engineList, networkList } from '../../../src/shared/config/list-formats.js';
import { httpUrl, redisUrl } from '../../../src/shared/config/url-formats.js';

const engine = fc.record({
  host: fc.oneof(fc.ipV4(), fc.ipV6(), fc.stringMatching(/^[a-z][a-z0-9_]{0,20}$/)),
  port: fc.integer({ min: 1, max: 65_535 }),
  forwarded: fc.boolean(),
  id: fc.option(fc.stringMatching(/^[A-Za-z0-9._-]{1,20}$/)),
  max: fc.option(fc.integer({ min: 1, max: 10_000 })),
});

describe('engineList', () => {
  it('reads back whatever is written by its grammar', () => {
    fc.assert(
      fc.property(fc.array(engine, { minLength: 1, maxLength: 5 }), (engines) => {
        const text = engines
          .map(({ host, port, forwarded, id, max }) =>
            [
              authority(host, port),
              ...(forwarded ? ['forwarded'] : []),
              ...(id === null ? [] : [`id=${id}`]),
              ...(max === null ? [] : [`max=${String(max)}`]),
            ].join(';'),
          )
          .join(', ');
        const expected = engines.map(({ host, port, forwarded, id, max }) => ({
          id: id ?? authority(host, port),
          host,
          port,
          forwarded,
          max,
        }));
        expect(engineList().parse(text)).to.deep.equal(expected);
      }),
    );
  });

  it('says which entry is wrong and why', () => {
    const cases: readonly (readonly [string, RegExp])[] = [
      ['', /entry 1 is empty/],
      ['a:1,', /entry 2 is empty/],
      ['a', /"a" is not host:port/],
      ['::1:6878', /not host:port/],
      ['[::g]:1', /no host/],
      ['[10.0.0.1]:1', /no host/],
      // A URL has no place for a zone, and every request to it would fail.
      ['[fe80::1%eth0]:1', /no host/],
      ['a:0', /port in "a:0" must be a whole number/],
      ['a:12abc', /port/],
      ['a:1;fast', /"fast" in "a:1;fast" is not understood/],
      ['a:1;max=0', /max in "a:1;max=0"/],
      ['a:1;id=', /not understood/],
      ['a:1;id=a b', /not understood/],
      ['a:1;forwarded=yes', /not understood/],
      ['a:1;forwarded;forwarded', /stands twice/],
    ];
    for (const [text, why] of cases) {
      expect(() => engineList().parse(text), text).to.throw(FormatError, why);
    }
  });

  it('never fails otherwise than with a FormatError', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          engineList().parse(text);
          networkList().parse(text);
        } catch (error) {
          expect(error).to.be.instanceOf(FormatError);
        }
      }),
    );
  });
});

describe('networkList', () => {
  it('takes addresses and networks of both families', () => {
    expect(networkList().parse('127.0.0.1, 10.0.0.0/8,fd00::/8,::1')).to.deep.equal([
      '127.0.0.1',
      '10.0.0.0/8',
      'fd00::/8',
      '::1',
    ]);
  });

  for (const text of [
    '',
    'localhost',
    '10.0.0.0/0',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/',
    '10.0.0.0/08',
  ]) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      expect(() => networkList().parse(text)).to.throw(FormatError);
    });
  }
});

describe('redisUrl', () => {
  for (const text of [
    'redis://localhost',
    'redis://user:p%40ss@10.0.0.1:6380/3',
    'rediss://[::1]:6379/0',
    'unix:///run/redis.sock',
  ]) {
    it(`takes ${text} as it is`, () => {
      expect(redisUrl().parse(text)).to.equal(text);
    });
  }

  for (const text of [
    '',
    'localhost:6379',
    'redis:localhost',
    'redis://',
    'redis://a/b',
    'redis://a:99999',
    'http://a',
    'unix:///',
    'redis://a b',
  ]) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      expect(() => redisUrl().parse(text)).to.throw(FormatError);
    });
  }
});

describe('httpUrl', () => {
  it('drops the slashes at the end, so that a path can be put behind it', () => {
    expect(httpUrl().parse('http://orchestrator:8000/')).to.equal('http://orchestrator:8000');
    expect(httpUrl().parse('https://a/b//')).to.equal('https://a/b');
  });

  for (const text of [
    '',
    'a:8000',
    'ftp://a',
    'http://',
    'http:a',
    'http://a?b=c',
    'http://a#b',
    'http://a/?',
    'http://a/#',
    ' http://a',
  ]) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      expect(() => httpUrl().parse(text)).to.throw(FormatError);
    });
  }
});
