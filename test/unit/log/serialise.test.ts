import { expect } from 'chai';
import fc from 'fast-check';

import { AppError } from '../../../src/shared/errors.js';
import {
  escapeControls,
  isSecretName,
  REDACTED,
  redactText,
} from '../../../src/shared/log/redact.js';
import { renderJson, renderPretty } from '../../../src/shared/log/render.js';
import type { LogRecord } from '../../../src/shared/log/render.js';
import { serialiseFields } from '../../../src/shared/log/serialise.js';

const record = (message: string, fields: Record<string, unknown> = {}): LogRecord => ({
  time: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
  level: 'warn',
  message,
  fields,
});

const parsed = (line: string): Record<string, unknown> =>
  JSON.parse(line) as Record<string, unknown>;

/** What a terminal or an editor would act upon. */
const RAW_CONTROL = /[^\P{Cc}\n]|[\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;

describe('redactText', () => {
  it('hides what URLs and headers carry', () => {
    const cases: readonly (readonly [string, string])[] = [
      ['GET /a?token=abc&id=1', `GET /a?token=${REDACTED}&id=1`],
      ['/a?x=1&access_token=abc', `/a?x=1&access_token=${REDACTED}`],
      ['/a?API_KEY=abc#x', `/a?API_KEY=${REDACTED}#x`],
      ['/a?key=abc', `/a?key=${REDACTED}`],
      ['GET /t/abc-1/ace/getstream?id=1', `GET /t/${REDACTED}/ace/getstream?id=1`],
      [
        '?url=http%3A%2F%2Fa%2Ft%2Fabc%2Fplaylist',
        `?url=http%3A%2F%2Fa%2Ft%2F${REDACTED}%2Fplaylist`,
      ],
      ['/a?expires=5&signature=abc&user=x', `/a?expires=5&signature=${REDACTED}&user=x`],
      ['Authorization: Bearer abc.def-1=', `Authorization: Bearer ${REDACTED}`],
      ['redis://user:pa@ss@host:1/0', `redis://${REDACTED}@host:1/0`],
      ['redis://:pass@host:1/0', `redis://${REDACTED}@host:1/0`],
      ['/ace/getstream?infohash=abc&pid=1', '/ace/getstream?infohash=abc&pid=1'],
    ];
    for (const [text, expected] of cases) expect(redactText(text)).to.equal(expected);
  });
});

describe('the cleaning of text', () => {
  it('stays fast on hostile text', () => {
    const begun = performance.now();
    for (const part of ['a.', '?a', '://a', 'Bearer ', 'a:b@', '?token=', '/t/']) {
      redactText(part.repeat(100_000 / part.length));
    }
    expect(performance.now() - begun).to.be.below(1_000);
  });
});

describe('isSecretName', () => {
  it('knows secrets by their names and leaves our words alone', () => {
    for (const name of [
      'authorization',
      'Proxy-Authorization',
      'token',
      'apiKey',
      'X-API-Key',
      'key',
      'PROXY_API_KEY',
      'cookie',
      'password',
      'clientSecret',
    ]) {
      expect(isSecretName(name), name).to.be.true;
    }
    for (const name of ['keyType', 'key_type', 'keyframes', 'stream', 'tokens', 'monkey', 'term']) {
      expect(isSecretName(name), name).to.be.false;
    }
  });
});

describe('escapeControls', () => {
  it('leaves no control character and every other one as it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const escaped = escapeControls(text);
        expect(escaped).to.not.match(/\p{Cc}/u);
        if (!/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u.test(text)) {
          expect(escaped).to.equal(text);
        }
      }),
    );
    expect(escapeControls('a\u001b[2J\r\nb\u202e')).to.equal('a\\x1b[2J\\x0d\\x0ab\\u202e');
  });
});

describe('serialiseFields', () => {
  it('writes errors with stack, cause and their own fields', () => {
    const error = new AppError('NO_ENGINE', { tried: 2 }, new TypeError('inner'));
    const { error: plain } = serialiseFields({ error }) as { error: Record<string, unknown> };
    expect(plain).to.deep.include({ name: 'AppError', code: 'NO_ENGINE', details: { tried: 2 } });
    expect(plain.stack).to.match(/^AppError: No engine is free.*\n {4}at /);
    expect(plain.cause).to.deep.include({ name: 'TypeError', message: 'inner' });
  });

  it('writes what an AggregateError holds', () => {
    const error = new AggregateError([new Error('one'), 'two'], 'both');
    const { error: plain } = serialiseFields({ error }) as { error: { errors: unknown[] } };
    expect(plain.errors).to.have.length(2);
    expect(plain.errors[1]).to.equal('two');
  });

  it('ends at cycles, depth and length', () => {
    const loop: Record<string, unknown> = {};
    loop.self = loop;
    const error = new Error('mine');
    error.cause = error;
    const result = serialiseFields({
      loop,
      error,
      many: Array.from({ length: 60 }, (_unused, at) => at),
      long: 'x'.repeat(5_000),
      bytes: Buffer.alloc(188),
    });
    expect(result.loop).to.deep.equal({ self: '[circular]' });
    expect(result.error).to.deep.include({ cause: '[circular]' });
    expect((result.many as unknown[]).at(-1)).to.equal('[10 more]');
    expect((result.long as string).length).to.be.below(4_200);
    expect(result.bytes).to.equal('[188 bytes]');
  });

  it('redacts secrets at any depth', () => {
    const result = serialiseFields({
      headers: { authorization: 'Bearer abc', nested: [{ apiKey: 'abc' }] },
      key: 'abc',
    });
    expect(JSON.stringify(result)).to.not.include('abc');
  });

  it('survives a property that throws', () => {
    const hostile = Object.defineProperty({}, 'bad', {
      enumerable: true,
      get: () => {
        throw new Error('no');
      },
    });
    expect(serialiseFields({ hostile })).to.deep.equal({ hostile: { bad: '[unreadable]' } });
  });
});

describe('renderJson', () => {
  it('is one line of JSON whatever is logged, without control characters in it', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.dictionary(
          fc.string({ unit: 'binary' }),
          fc.anything({
            withBigInt: true,
            withDate: true,
            withMap: true,
            withSet: true,
            withTypedArray: true,
          }),
        ),
        (message, fields) => {
          const line = renderJson(record(message, fields));
          expect(line).to.not.match(/[\p{Cc}\u2028\u2029]/u);
          const visit = (value: unknown): void => {
            if (typeof value === 'string') expect(value).to.not.match(RAW_CONTROL);
            else if (typeof value === 'object' && value !== null) {
              Object.entries(value).flat().forEach(visit);
            }
          };
          visit(parsed(line));
        },
      ),
    );
  });

  it('begins with time, level and message, which no field can replace', () => {
    const line = renderJson(record('hello', { level: 'fake', stream: 'a', message: 'fake' }));
    expect(Object.entries(parsed(line))).to.deep.equal([
      ['time', '2026-01-02T03:04:05.678Z'],
      ['level', 'warn'],
      ['message', 'hello'],
      ['field_level', 'fake'],
      ['stream', 'a'],
      ['field_message', 'fake'],
    ]);
  });
});

describe('renderPretty', () => {
  it('is one line, and the stacks of errors and causes stand indented below', () => {
    const error = new Error('outer', { cause: new Error('inner\nforged') });
    const [head, ...below] = renderPretty(record('hello\nworld', { n: 1, a: 'b c', error })).split(
      '\n',
    );
    expect(head).to.equal(
      '03:04:05.678 WARN  hello\\x0aworld n=1 a="b c" error={"name":"Error","message":"outer","cause":{"name":"Error","message":"inner\\\\x0aforged"}}',
    );
    expect(below.join('\n')).to.match(/^ {4}Error: outer\n {8}at [^]*\n {4}Error: inner\n/);
    for (const line of below) expect(line).to.match(/^ {4}/);
  });
});
