import { createRequire } from 'node:module';
import { expect } from 'chai';
import fc from 'fast-check';
import { KEY_TYPES } from '../../../src/shared/ids.js';
import { parseChannelJson } from '../../../src/worker/playlist/channel-json.js';
import { ChannelListError, type ChannelList } from '../../../src/worker/playlist/channel-list.js';
import { parseChannelM3u } from '../../../src/worker/playlist/channel-m3u.js';

const HEX = 'a'.repeat(40);
const OTHER = 'b'.repeat(40);
const BASE = 'http://tv.example:8000';

interface ForeignItem {
  readonly name: string;
  readonly url: string;
  readonly tvg: { readonly id: string; readonly logo: string };
  readonly group: { readonly title: string };
}
/** Somebody else's reading of a playlist. It puts methods on every string, hence the clean-up. */
const { parse: foreignParse } = createRequire(import.meta.url)('iptv-playlist-parser') as {
  parse: (text: string) => { items: ForeignItem[] };
};
after(() => {
  for (const name of ['getName', 'getAttribute', 'getOption', 'getValue', 'getParameter']) {
    Reflect.deleteProperty(String.prototype, name);
  }
});

const json = (value: unknown): ChannelList => parseChannelJson(Buffer.from(JSON.stringify(value)));
const text = async (list: ChannelList): Promise<string> =>
  (await list.render(BASE)).toString('utf8');

function faults(work: () => unknown): string[] {
  try {
    work();
  } catch (error) {
    expect(error).to.be.instanceOf(ChannelListError);
    return (error as ChannelListError).faults.map(({ where, message }) => `${where}: ${message}`);
  }
  throw new Error('faults were expected');
}

describe('parseChannelJson', () => {
  it('writes what players read: name, logo, group, guide id, number and address', async () => {
    const list = json([
      {
        ...{ name: 'Sport, «live»', group: 'Sport', tvg_id: 'sport.x', number: 7, alias: 'Sport' },
        ...{ logo: 'https://l.example/s.png?a=1', infohash: HEX.toUpperCase() },
      },
      { name: 'Plain', id: `acestream://${OTHER}` },
      { name: 'Magnet', id: `magnet:?xt=urn:btih:${OTHER}` },
    ]);
    expect(await text(list)).to.equal(
      [
        '#EXTM3U',
        '#EXTINF:-1 tvg-id="sport.x" tvg-chno="7" tvg-logo="https://l.example/s.png?a=1" group-title="Sport",Sport, «live»',
        `${BASE}/ace/getstream?infohash=${HEX}`,
        '#EXTINF:-1,Plain',
        `${BASE}/ace/getstream?id=${OTHER}`,
        '#EXTINF:-1,Magnet',
        `${BASE}/ace/getstream?infohash=${OTHER}`,
        '',
      ].join('\n'),
    );
    expect([...list.aliases]).to.deep.equal([['sport', { stream: HEX, keyType: 'infohash' }]]);
    expect(list.streams).to.equal(3);
  });

  it('is understood by a parser of others', async () => {
    const word = fc
      .string({ unit: 'grapheme-composite', minLength: 1, maxLength: 30 })
      .filter((name) => !/[\p{C}\p{Z}"=]/u.test(name));
    const channel = fc.record(
      {
        name: word,
        logo: fc.webUrl().filter((url) => !/["=]/.test(url)),
        group: word,
        tvg_id: word,
        content_id: fc.stringMatching(/^[0-9a-f]{40}$/),
      },
      { requiredKeys: ['name', 'content_id'] },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(channel), async (channels) => {
        const { items } = foreignParse(await text(json(channels)));
        const read = items.map(({ name, url, tvg, group }) => [
          ...[name, url, tvg.logo, group.title, tvg.id],
        ]);
        expect(read).to.deep.equal(
          channels.map(({ name, logo = '', group = '', tvg_id = '', content_id }) => [
            ...[name, `${BASE}/ace/getstream?content_id=${content_id}`, logo, group, tvg_id],
          ]),
        );
      }),
      { numRuns: 30 },
    );
  });

  it('lets the event loop turn between hundreds of channels, and keeps their order', async () => {
    const list = json(Array.from({ length: 1_234 }, (_, n) => ({ name: String(n), id: HEX })));
    let turned = false;
    setImmediate(() => (turned = true));
    const names = (await text(list)).match(/(?<=^#EXTINF:-1,).*$/gm);
    expect(names).to.deep.equal(Array.from({ length: 1_234 }, (_, n) => String(n)));
    expect(turned).to.equal(true);
  });

  it('lists every fault at once, and where it is', () => {
    const found = faults(() =>
      json([
        { name: 'Good', id: HEX, alias: 'good' },
        { name: 'a\nb', id: HEX, logo: 'javascript:x', grup: 'x', number: 1.5 },
        { id: 'xyz' },
        { name: 'Two', id: HEX, infohash: HEX },
        { name: 'None' },
        { name: 'Again', id: HEX, alias: 'GOOD' },
        { name: 'Odd', id: HEX, alias: '../x', group: 'say "hi"', tvg_id: 5 },
        { name: 'Kind', content_id: 5 },
        'text',
        null,
      ]),
    );
    expect(found).to.deep.equal([
      'channel 2 (a\nb): unknown field "grup": did you mean group?',
      'channel 2 (a\nb): name is 1 to 200 characters without control characters',
      'channel 2 (a\nb): logo is an http or https address without blanks and quotes',
      'channel 2 (a\nb): number is a whole number from 0 to 99999',
      'channel 3: name is missing',
      'channel 3: id: this is not a content id',
      'channel 4 (Two): one of id, content_id, infohash is needed, and only one',
      'channel 5 (None): one of id, content_id, infohash is needed, and only one',
      'channel 6 (Again): the alias good stands twice',
      'channel 7 (Odd): group is 1 to 200 characters without quotes and control characters',
      'channel 7 (Odd): tvg_id is 1 to 200 characters without quotes and control characters',
      'channel 7 (Odd): alias is 1 to 64 of letters, digits and . _ -, and begins with a letter or a digit',
      'channel 8 (Kind): content_id is a text',
      'channel 9: must be a JSON object',
      'channel 10: must be a JSON object',
    ]);
  });

  it('says what is wrong with the file itself', () => {
    const fault = (file: Buffer | string): string =>
      faults(() => parseChannelJson(Buffer.from(file)))[0] ?? '';
    expect(fault('{}')).to.equal('the file: must hold one JSON array');
    expect(fault('[{]')).to.match(/^the file: is not JSON: /);
    expect(fault('')).to.match(/^the file: is not JSON: /);
    expect(fault(Buffer.from([0x5b, 0xff, 0x5d]))).to.equal('the file: is not UTF-8');
    expect(parseChannelJson(Buffer.from('\ufeff[]')).streams).to.equal(0);
  });

  it('never writes more lines than two for a channel, whatever is in the file', async () => {
    const value = fc.oneof(fc.string({ unit: 'binary' }), fc.integer(), fc.constant(null));
    const fields = fc.dictionary(
      fc.constantFrom('name', 'logo', 'group', 'tvg_id', 'alias', 'number'),
      value,
    );
    await fc.assert(
      fc.asyncProperty(fields, fc.constantFrom(...KEY_TYPES), async (channel, key) => {
        let list;
        try {
          list = json([{ name: 'x', ...channel, [key]: HEX }]);
        } catch (error) {
          expect(error).to.be.instanceOf(ChannelListError);
          return;
        }
        const lines = (await text(list)).split(/[\r\n\u2028\u2029\u0085]/);
        expect(lines.slice(2)).to.deep.equal([`${BASE}/ace/getstream?${key}=${HEX}`, '']);
      }),
      { numRuns: 500 },
    );
  });
});

describe('parseChannelM3u', () => {
  const m3u = (...lines: string[]): ChannelList => parseChannelM3u(Buffer.from(lines.join('\r\n')));

  it('keeps the playlist and takes aliases from its attributes', async () => {
    const lines = (first: string, second: string): string[] => [
      ...['#EXTM3U url-tvg="http://g.example"', '#EXTINF:-1 tvg-id="n" alias="News.1",Néws'],
      ...['#EXTGRP:Info', '', first, '#EXTINF:-1 group-title="G",Other', second],
      ...['#EXTINF:-1,Elsewhere', 'http://cdn.example/a.m3u8'],
    ];
    const list = m3u(...lines(`acestream://${HEX}`, OTHER));
    const at = (hex: string): string => `${BASE}/ace/getstream?id=${hex}`;
    expect(await text(list)).to.equal(lines(at(HEX), at(OTHER)).join('\r\n'));
    expect([...list.aliases]).to.deep.equal([['news.1', { stream: HEX, keyType: 'id' }]]);
    expect(list.streams).to.equal(2);
  });

  it('finds an alias behind a byte order mark, and the stream behind options that are indented', () => {
    const list = m3u(
      ...['\ufeff#EXTINF:-1 alias="one",One', '\t#EXTVLCOPT:http-user-agent=VLC', HEX],
      ...['  #EXTINF:-1 alias="two",Two', '#KODIPROP:inputstream=x', ' ', `  ${OTHER}`],
    );
    expect([...list.aliases.keys()]).to.deep.equal(['one', 'two']);
  });

  it('lists every fault at once', () => {
    const found = faults(() =>
      m3u(
        ...['#EXTINF:-1 alias="a b",A', HEX, '#EXTINF:-1 alias="c",C', HEX],
        ...['#EXTINF:-1 alias="C",D', HEX, '#EXTINF:-1 alias="e",E', 'http://cdn.example/a.m3u8'],
      ),
    );
    expect(found.map((fault) => fault.split(':')[0])).to.deep.equal([
      'alias="a b"',
      'alias="C"',
      'alias="e"',
    ]);
    expect(faults(() => m3u('#EXTM3U', 'http://cdn.example/a.m3u8'))).to.deep.equal([
      'the file: has no stream that this proxy can play',
    ]);
  });
});
