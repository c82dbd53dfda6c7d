import { expect } from 'chai';
import fc from 'fast-check';

import {
  boolean,
  channelsPath,
  decimal,
  FormatError,
  host,
  integer,
  keyText,
  oneOf,
  seconds,
} from '../../../src/shared/config/formats.js';
import type { Format } from '../../../src/shared/config/formats.js';

function accepts(format: Format<unknown>, text: string): boolean {
  try {
    format.parse(text);
    return true;
  } catch (error) {
    expect(error).to.be.instanceOf(FormatError);
    return false;
  }
}

const noise = fc.stringMatching(/^[ a-zA-Z+_,;\n-]+$/);

describe('integer', () => {
  it('gives back every whole number of its range', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 65_535 }), (value) => {
        expect(integer(0, 65_535).parse(String(value))).to.equal(value);
      }),
    );
  });

  it('refuses a number with anything before or behind it', () => {
    fc.assert(
      fc.property(fc.nat(65_535), noise, (value, extra) => {
        expect(accepts(integer(0, 65_535), `${String(value)}${extra}`)).to.be.false;
        expect(accepts(integer(0, 65_535), `${extra}${String(value)}`)).to.be.false;
      }),
    );
  });

  it('refuses what lies outside of its range', () => {
    fc.assert(
      fc.property(fc.integer(), (value) => {
        expect(accepts(integer(10, 20), String(value))).to.equal(value >= 10 && value <= 20);
      }),
    );
  });

  for (const text of [
    '',
    ' ',
    '12abc',
    '0x10',
    '1e3',
    '1.0',
    '-0',
    '007',
    'NaN',
    'Infinity',
    '１',
  ]) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      expect(accepts(integer(0, 65_535), text)).to.be.false;
    });
  }
});

describe('decimal and seconds', () => {
  it('read decimals, and seconds become milliseconds', () => {
    expect(decimal(0, 10).parse('5.0')).to.equal(5);
    expect(seconds(0, 10).parse('0.5')).to.equal(500);
    expect(seconds(0, 10).parse('1')).to.equal(1000);
  });

  it('read every number of milliseconds written in seconds', () => {
    fc.assert(
      fc.property(fc.nat(3_600_000), (ms) => {
        expect(seconds(0, 3_600).parse((ms / 1000).toFixed(3))).to.equal(ms);
      }),
    );
  });

  for (const text of ['', '.5', '5.', '1,5', '5s', '-1', '1e1', 'Infinity', '10.000001']) {
    it(`refuse ${JSON.stringify(text)}`, () => {
      expect(accepts(seconds(0, 10), text)).to.be.false;
    });
  }
});

describe('boolean', () => {
  it('knows true and false and nothing else', () => {
    expect(boolean().parse('true')).to.be.true;
    expect(boolean().parse('false')).to.be.false;
    for (const text of ['', '0', '1', 'no', 'yes', 'TRUE', 'False', ' true']) {
      expect(accepts(boolean(), text), text).to.be.false;
    }
  });
});

describe('oneOf', () => {
  it('takes its choices and no property of an object', () => {
    const format = oneOf(['auto', 'always']);
    expect(format.parse('auto')).to.equal('auto');
    for (const text of ['', 'Auto', 'toString', '__proto__', 'auto ']) {
      expect(accepts(format, text), text).to.be.false;
    }
  });
});

describe('host', () => {
  for (const text of [
    'localhost',
    'redis_1',
    'a.b-c.example',
    '10.0.0.1',
    '::1',
    'fe80::1',
    '0.0.0.0',
  ]) {
    it(`takes ${text}`, () => {
      expect(host().parse(text)).to.equal(text);
    });
  }

  for (const text of [
    '',
    ' ',
    'a b',
    'a:1',
    '[::1]',
    '10.0.0.300',
    '1.2.3',
    '-a',
    'a..b',
    'a/b',
    'http://a',
  ]) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      expect(accepts(host(), text)).to.be.false;
    });
  }
});

describe('keyText', () => {
  it('takes what fits into a header and nothing that could end it', () => {
    expect(keyText().parse('a-B_9~+/=')).to.equal('a-B_9~+/=');
    for (const text of ['', 'a b', 'a\r\nb', 'ä', 'x'.repeat(513)]) {
      expect(accepts(keyText(), text), JSON.stringify(text)).to.be.false;
    }
  });
});

describe('channelsPath', () => {
  it('takes paths that say by their ending how to read the file', () => {
    for (const text of ['tv.json', '/etc/tv/list.m3u', '../a b/ä.m3u8']) {
      expect(channelsPath().parse(text)).to.equal(text);
    }
    for (const text of ['', 'tv', '.json', 'tv.JSON', 'tv.json.bak', 'a\n.json', 'a\0.m3u']) {
      expect(accepts(channelsPath(), text), text).to.be.false;
    }
  });
});
