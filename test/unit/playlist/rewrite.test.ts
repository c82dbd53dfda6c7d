import { expect } from 'chai';
import fc from 'fast-check';
import { KEY_TYPES, type KeyType } from '../../../src/shared/ids.js';
import { parseStreamRequest } from '../../../src/worker/http/stream-request.js';
import {
  isPlaylist,
  MAX_PLAYLIST_BYTES,
  rewriteInSlices,
  rewritePlaylist,
} from '../../../src/worker/playlist/rewrite.js';

const HEX = '0123456789abcdef0123456789abcdef01234567';
/** The same as `HEX`. */
const BASE32 = 'AERUKZ4JVPG66AJDIVTYTK6N54ASGRLH';
const BASE = 'https://tv.example/ace-proxy';

const hex = fc.stringMatching(/^[0-9a-fA-F]{40}$/);
const end = fc.constantFrom('\n', '\r\n', '\r', '\n\n', '\r\n \r\n');
const bytes = (alphabet: fc.Arbitrary<number>): fc.Arbitrary<string> =>
  fc.array(alphabet, { maxLength: 80 }).map((codes) => String.fromCharCode(...codes));
const notEnd = fc.nat(255).filter((code) => code !== 10 && code !== 13);

/** Lines that no player opens here: comments with whatever in them, other streams, any bytes. */
const foreign = fc.oneof(
  bytes(notEnd).map((text) => `#${text}`),
  hex.map((id) => `#EXTINF:-1 tvg-id="${id}" tvg-logo="http://l.example/${id}.png",Name, ${id}`),
  hex.map((id) => `#EXTVLCOPT:x=acestream://${id}`),
  hex.map((id) => `#EXTGRP: http://e:6878/ace/getstream?id=${id}`),
  hex.map((id) => `http://cdn.example/live/${id}/index.m3u8`),
  hex.map((id) => `https://cdn.example/stream/${id}/720p.ts`),
  hex.map((id) => `rtmp://cdn.example/${id}`),
  hex.map((id) => `${id}0`),
  hex.map((id) => `acestream://${id}00`),
  hex.map((id) => `http://e:6878/ace/getstream?id=${id}&infohash=${id}`),
  hex.map((id) => `http://e:6878/ace/getstream?id=${id}&_idx=2`),
  hex.map((id) => `acestream:?content_id=${id}&index=1`),
  fc.constant('http://e:6878/ace/getstream?url=http%3A%2F%2Fa%2Fb.acelive'),
  bytes(notEnd).filter((text) => !/[0-9a-f]{40}|btih/i.test(text)),
);

interface Form {
  readonly line: string;
  readonly as: KeyType;
  readonly id: string;
}
const form = (as: KeyType, make: (id: string) => string): fc.Arbitrary<Form> =>
  hex.map((id) => ({ line: make(id), as, id: id.toLowerCase() }));

/** Everything of engine-api 12 that names a stream, with the kind that it means. */
const known: fc.Arbitrary<Form> = fc.oneof(
  form('id', (id) => id),
  form('id', (id) => `acestream://${id}`),
  form('id', (id) => `ACESTREAM://${id}/`),
  form('id', (id) => `acestream://${id}?name=News`),
  form('content_id', (id) => `acestream:?content_id=${id}&name=News`),
  form('infohash', (id) => `acestream:?infohash=${id}&index=0`),
  form('infohash', (id) => `acestream:?magnet=magnet%3A%3Fxt%3Durn%3Abtih%3A${id}`),
  form('infohash', (id) => `magnet:?dn=a&xt=urn:btih:${id}&tr=udp://t`),
  ...KEY_TYPES.flatMap((as) =>
    ['getstream', 'manifest.m3u8'].map((path) =>
      form(as, (id) => `http://192.168.1.2:6878/ace/${path}?x=y&${as}=${id}&pid=x&_idx=0`),
    ),
  ),
  form('id', (id) => `https://user:word@tv.example/below/this/ace/getstream?id=${id}`),
  form('infohash', (id) => `http://[::1]:6878/ace/getstream?infohash=${id}`),
  form('id', (id) => `http://hap:8000/pid/${id}/stream.mp4`),
  form('content_id', (id) => `http://hap:8888/content_id/${id}/stream.mp4`),
  form('infohash', (id) => `http://hap:8000/infohash/${id}/stream.mp4?x=y`),
  form('id', (id) => `http://other:8000/stream/${id}`),
);

function rewrite(text: string, base = BASE): string {
  return rewritePlaylist(Buffer.from(text, 'latin1'), base).bytes.toString('latin1');
}

describe('rewritePlaylist', () => {
  it('keeps every byte of what is no stream of ours', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(foreign, end)), (lines) => {
        const text = lines.flat().join('');
        expect(rewrite(text)).to.equal(text);
      }),
      { numRuns: 500 },
    );
  });

  it('replaces every known form, and nothing round it', () => {
    const line = fc.oneof(
      known.map((found) => ({
        ...found,
        expected: `${BASE}/ace/getstream?${found.as}=${found.id}`,
      })),
      foreign.map((text) => ({ line: text, expected: text })),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(line, end)), fc.boolean(), (lines, marked) => {
        const mark = marked ? '\xef\xbb\xbf' : '';
        const before = mark + lines.map(([found, ending]) => found.line + ending).join('');
        const after = mark + lines.map(([found, ending]) => found.expected + ending).join('');
        expect(rewrite(before)).to.equal(after);
      }),
      { numRuns: 500 },
    );
  });

  it('counts what it replaced', () => {
    fc.assert(
      fc.property(fc.array(known), fc.array(foreign), (ours, others) => {
        const text = [...others, ...ours.map(({ line }) => line)].join('\r\n');
        expect(rewritePlaylist(Buffer.from(text, 'latin1'), BASE).streams).to.equal(ours.length);
      }),
    );
  });

  it('gives addresses that this proxy reads as the same content', () => {
    fc.assert(
      fc.property(known, ({ line, as, id }) => {
        const url = new URL(rewrite(line));
        expect(parseStreamRequest(url.pathname + url.search)).to.deep.equal({
          stream: id,
          keyType: as,
        });
      }),
    );
  });

  it('changes nothing the second time, and only the base under another address', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            known.map(({ line }) => line),
            foreign,
          ),
        ),
        (lines) => {
          const once = rewrite(lines.join('\n'));
          expect(rewrite(once)).to.equal(once);
          expect(rewrite(once, 'http://b')).to.equal(rewrite(lines.join('\n'), 'http://b'));
        },
      ),
    );
  });

  it('reads a base32 magnet link', () => {
    expect(rewrite(`magnet:?xt=urn:btih:${BASE32}`)).to.equal(
      `${BASE}/ace/getstream?infohash=${HEX}`,
    );
  });

  it('keeps the blanks and the options for the player that stand round an address', () => {
    const url = `${BASE}/ace/getstream?id=${HEX}`;
    expect(rewrite(` \tacestream://${HEX} \t\r\n`)).to.equal(` \t${url} \t\r\n`);
    expect(rewrite(`http://e:6878/ace/getstream?id=${HEX}|User-Agent=a b`)).to.equal(
      `${url}|User-Agent=a b`,
    );
  });

  it('keeps those options also where the address could be read with them in it', () => {
    const options = '|User-Agent=VLC/3.0 LibVLC&Referer=http://a.example/';
    for (const [line, kind] of [
      [`http://e:6878/ace/getstream?id=${HEX}&pid=1`, 'id'],
      [`http://hap:8000/pid/${HEX}/stream.mp4`, 'id'],
      [`acestream://${HEX}?name=News`, 'id'],
      [`acestream:?infohash=${HEX}&name=News`, 'infohash'],
      [`magnet:?xt=urn:btih:${HEX}&dn=News`, 'infohash'],
    ] as const) {
      expect(rewrite(line + options)).to.equal(`${BASE}/ace/getstream?${kind}=${HEX}${options}`);
    }
    expect(rewrite(`acestream://${HEX}|VLC`)).to.equal(`${BASE}/ace/getstream?id=${HEX}|VLC`);
    // A bar in a name is no option.
    expect(rewrite(`magnet:?xt=urn:btih:${HEX}&dn=News|HD`)).to.equal(
      `${BASE}/ace/getstream?infohash=${HEX}`,
    );
  });

  it('takes time in proportion to the size, whatever stands there', () => {
    const fill = (unit: string): Buffer => Buffer.alloc(MAX_PLAYLIST_BYTES, unit, 'latin1');
    for (const unit of [
      ' ',
      'x  ',
      '|',
      '\xa0',
      `${HEX}\n`,
      `acestream://${HEX}|`,
      `http://e/ace/getstream?id=`,
      '#EXTINF:-1 alias="',
      'magnet:?xt=urn:btih:&',
      '\r',
    ]) {
      const startedAt = performance.now();
      rewritePlaylist(fill(unit), BASE);
      isPlaylist(fill(unit));
      expect(performance.now() - startedAt, JSON.stringify(unit)).to.be.below(3_000);
    }
  });
});

describe('rewriteInSlices', () => {
  it('gives what the whole playlist gives, wherever its slices end', async () => {
    const line = fc.oneof(
      foreign,
      known.map((each) => each.line),
      fc.integer({ min: 1, max: 40_000 }).map((length) => `#${'x'.repeat(length)}`),
    );
    const lines = fc.array(fc.tuple(line, end), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(lines, fc.constantFrom('', '\xef\xbb\xbf'), async (parts, mark) => {
        const playlist = Buffer.from(`${mark}${parts.flat().join('')}${HEX}`, 'latin1');
        const whole = rewritePlaylist(playlist, BASE).bytes;
        expect((await rewriteInSlices(playlist, BASE)).equals(whole)).to.equal(true);
      }),
    );
  });

  it('lets the event loop turn, so that media goes out while a large one is written', async () => {
    const playlist = Buffer.alloc(MAX_PLAYLIST_BYTES, `${HEX}\n`);
    let turns = 0;
    const count = (): void => {
      turns += 1;
      next = setImmediate(count);
    };
    let next = setImmediate(count);
    await rewriteInSlices(playlist, BASE);
    clearImmediate(next);
    expect(turns).to.be.at.least(MAX_PLAYLIST_BYTES / 32_768 - 2);
  });
});

describe('isPlaylist', () => {
  it('believes the heading, or a stream', () => {
    for (const text of [
      '#EXTM3U',
      '\xef\xbb\xbf#EXTM3U x-tvg-url=""\r\n',
      '\n  #extm3u\n',
      `News\r\nacestream://${HEX}`,
      HEX,
    ]) {
      expect(isPlaylist(Buffer.from(text, 'latin1')), text).to.be.true;
    }
    for (const text of ['', '{"secret":1}', '<html>#EXTM3U', `<a href="acestream://${HEX}">`]) {
      expect(isPlaylist(Buffer.from(text, 'latin1')), text).to.be.false;
    }
  });
});
