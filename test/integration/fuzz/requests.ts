import fc from 'fast-check';
import { API_KEY } from '../../helpers/http-app.js';

export const HEX = 'ab'.repeat(20);
const CLIENT = 'c'.repeat(24);
export const TOKEN = 'the-shared-token-01';

/** One request as it goes over the wire. */
export interface Shot {
  readonly bytes: Buffer;
}

const odd = fc.constantFrom(
  ...[
    '%',
    '%00',
    '%0d%0a',
    '%2e%2e',
    '%ff',
    '..',
    '//',
    '\\',
    '\t',
    '\u0001',
    '\u007f',
    '\u0085',
    '\u00e9',
    '{}',
    "'",
    '"',
  ],
  ...[
    '*',
    '__proto__',
    'constructor',
    '[]',
    '=',
    '&',
    '?',
    '#',
    ';',
    '+',
    '\u001b[31m',
    '${7}',
    '-1',
    '1e999',
    'NaN',
  ],
);
const id = fc.oneof(
  fc.constantFrom(
    HEX,
    HEX.toUpperCase(),
    `acestream://${HEX}`,
    `magnet:?xt=urn:btih:${HEX}`,
    'x'.repeat(41),
    '',
  ),
  fc.stringMatching(/^[0-9a-fA-F]{38,42}$/),
  fc.array(odd, { maxLength: 4 }).map((parts) => `${HEX}${parts.join('')}`),
  fc.string({ maxLength: 50 }),
);

/** Requests that are right, wrong, or nearly right; `canary` is an address nobody may be led to. */
export function requests(canary: string): fc.Arbitrary<Shot> {
  const token = fc.oneof(fc.constantFrom(TOKEN, API_KEY, ''), odd, fc.string({ maxLength: 20 }));
  const value = fc.oneof(
    id,
    token,
    odd,
    fc.constantFrom(canary, encodeURIComponent(canary), '5', 'started'),
  );
  const name = fc.constantFrom(
    ...[
      'id',
      'infohash',
      'content_id',
      'token',
      'signature',
      'expires',
      'user',
      'url',
      'status',
      'pid',
      'x',
      'id[]',
      '__proto__',
    ],
  );
  const path = fc.oneof(
    fc.constantFrom(
      `/streams/${HEX}`,
      `/streams/${HEX}/clients`,
      `/streams/${HEX}/clients/${CLIENT}`,
    ),
    fc.constantFrom(
      '/ace/getstream',
      '/playlist.m3u',
      '/streams',
      '/engines',
      '/metrics',
      '/panel',
      '/panel/',
      '/',
      '*',
    ),
    fc.constantFrom(
      '/openapi.yaml',
      '/health/live',
      '/health/ready',
      '/events/x',
      '/ACE/GETSTREAM',
      canary,
    ),
    fc
      .tuple(fc.constantFrom('/ace/alias/', '/streams/', '/engines/', '/panel/', '/t/', '/'), value)
      .map((parts) => parts.join('')),
    fc
      .tuple(
        token,
        fc.constantFrom('/ace/getstream', '/playlist.m3u', '/ace/alias/news', '/streams'),
      )
      .map(([t, rest]) => `/t/${t}${rest}`),
    fc.tuple(value, value).map(([a, b]) => `/streams/${a}/clients/${b}`),
    fc
      .tuple(value, fc.constantFrom('/drain', '/clients', ''))
      .map(([a, rest]) => `/engines/${a}${rest}`),
  );
  const query = fc
    .array(fc.tuple(name, value), { maxLength: 4 })
    .map((pairs) =>
      pairs.length === 0 ? '' : `?${pairs.map(([key, text]) => `${key}=${text}`).join('&')}`,
    );
  const header = fc.oneof(
    fc.tuple(
      fc.constantFrom('Authorization', 'X-Forwarded-For', 'X-Forwarded-Host', 'X-Forwarded-Proto'),
      value,
    ),
    fc.tuple(
      fc.constantFrom('User-Agent', 'Accept-Encoding', 'If-None-Match', 'Range', 'Host', 'Cookie'),
      value,
    ),
    fc.constantFrom<[string, string][]>(
      ['Authorization', `Bearer ${API_KEY}`],
      ['Authorization', 'Bearer wrong'],
      ['Host', 'a.example'],
      ['Expect', '100-continue'],
      ['Upgrade', 'h2c'],
      ['Transfer-Encoding', 'chunked'],
      ['Content-Length', '-1'],
    ),
    fc.tuple(fc.string({ maxLength: 10 }), value),
  );
  const body = fc.oneof(
    fc.constant(''),
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc
      .array(fc.oneof(id, odd, fc.constantFrom('#EXTM3U', '#EXTINF:-1,x', canary)), {
        maxLength: 6,
      })
      .map((lines) => lines.join('\n')),
    fc
      .record(
        {
          host: value,
          port: fc.oneof(fc.integer(), value),
          id: value,
          max: fc.jsonValue({ maxDepth: 1 }),
        },
        { requiredKeys: [] },
      )
      .map((engine) => JSON.stringify(engine)),
  );
  const whole = fc
    .record({
      method: fc.constantFrom(
        'GET',
        'GET',
        'GET',
        'HEAD',
        'POST',
        'POST',
        'DELETE',
        'OPTIONS',
        'PUT',
        'get',
        'BREW',
      ),
      target: fc.oneof(
        { weight: 6, arbitrary: fc.tuple(path, query).map(([p, q]) => p + q) },
        // Right up to one odd thing behind it.
        {
          weight: 1,
          arbitrary: odd.map((more) => `/t/${TOKEN}/ace/getstream?id=${HEX}&x=${more}`),
        },
      ),
      escaped: fc.boolean(),
      authorised: fc.boolean(),
      headers: fc.array(header, { maxLength: 4 }),
      body,
    })
    .map(({ method, target, escaped, authorised, headers, body: text }) => {
      // Otherwise most requests end at node's parser, for the blanks in them.
      const line = escaped ? target.replace(/[^\x21-\x7e\x80-\xff]/g, encodeURIComponent) : target;
      const content = Buffer.from(text, 'utf8');
      const length = content.length > 0 ? [`Content-Length: ${String(content.length)}`] : [];
      const lines = headers.map(
        ([key, text]) => `${key}: ${escaped ? text.replace(/[\r\n\0]/g, ' ') : text}`,
      );
      if (authorised) lines.unshift(`Authorization: Bearer ${API_KEY}`);
      const head = [
        `${method} ${line} HTTP/1.1`,
        'Host: tv.example',
        'Connection: close',
        ...lines,
        ...length,
      ];
      return {
        bytes: Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'), content]),
      };
    });
  const noise = fc
    .uint8Array({ minLength: 1, maxLength: 80 })
    .map((bytes) => ({ bytes: Buffer.from(bytes) }));
  return fc.oneof({ weight: 12, arbitrary: whole }, { weight: 1, arbitrary: noise });
}
