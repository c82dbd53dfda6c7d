import { request as httpRequest } from 'node:http';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { expect } from 'chai';
import { systemClock } from '../../../src/shared/clock.js';
import { AppError, type ErrorBody } from '../../../src/shared/errors.js';
import type { HttpDeps, PlaylistDeps } from '../../../src/worker/http/deps.js';
import { makeMediaRouter, type MediaDeps } from '../../../src/worker/http/routes/getstream.js';
import { parseChannelJson } from '../../../src/worker/playlist/channel-json.js';
import { makePlaylistFetch } from '../../../src/worker/playlist/fetch-playlist.js';
import { API_KEY, fakeDeps, openAccess, runApp, type RunningApp } from '../../helpers/http-app.js';

const HEX = 'a'.repeat(40);
const AUTHORIZED = { Authorization: `Bearer ${API_KEY}` };
const LIST = parseChannelJson(Buffer.from(JSON.stringify([{ name: 'A', infohash: HEX }])));
const channels = { list: () => Promise.resolve(LIST) };
const LOOPBACK = ['127.0.0.0/8'];

const running: RunningApp[] = [];
afterEach(async () => {
  for (const app of running.splice(0)) await app.close();
});

async function start(
  playlists: Partial<PlaylistDeps> = {},
  overrides: Partial<HttpDeps> = {},
): Promise<RunningApp> {
  const base = fakeDeps();
  const app = await runApp(
    fakeDeps({ playlists: { ...base.playlists, channels, ...playlists }, ...overrides }),
  );
  running.push(app);
  return app;
}

async function errorOf(answer: Response): Promise<ErrorBody> {
  return ((await answer.json()) as { error: ErrorBody }).error;
}

/** `fetch` sets `Host` itself. */
async function get(
  app: RunningApp,
  headers: Record<string, string | string[]>,
): Promise<{ status: number; body: string }> {
  const { port } = app;
  const request = httpRequest({ host: '127.0.0.1', port, path: '/playlist.m3u', headers }).end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  let body = '';
  for await (const part of response) body += String(part);
  return { status: response.statusCode ?? 0, body };
}

describe('GET /playlist.m3u', () => {
  it('offers the channels without a key, with the address the player used', async () => {
    const app = await start({}, { apiKeyConfigured: true });
    const answer = await fetch(`${app.url}/playlist.m3u`);
    expect(answer.status).to.equal(200);
    expect(answer.headers.get('content-type')).to.equal('audio/x-mpegurl');
    expect(answer.headers.get('cache-control')).to.equal('no-store');
    const text = `#EXTM3U\n#EXTINF:-1,A\n${app.url}/ace/getstream?infohash=${HEX}\n`;
    expect(await answer.text()).to.equal(text);
    const head = await fetch(`${app.url}/playlist.m3u`, { method: 'HEAD' });
    expect(head.headers.get('content-length')).to.equal(String(text.length));
  });

  it('says that there are none, or that the list is bad', async () => {
    for (const [code, status] of [
      ['NO_CHANNELS', 404],
      ['BAD_CHANNELS', 500],
    ] as const) {
      const list = (): Promise<never> => Promise.reject(new AppError(code));
      const answer = await fetch(`${(await start({ channels: { list } })).url}/playlist.m3u`);
      expect([answer.status, (await errorOf(answer)).code]).to.deep.equal([status, code]);
    }
  });

  const baseOf = async (
    headers: Record<string, string | string[]>,
    trustedProxies: string[],
    publicUrl: string | null = null,
  ): Promise<string> => {
    const app = await start({ publicUrl }, { settings: { trustedProxies, workers: 1 } });
    const { status, body } = await get(app, { Host: 'inner:8000', ...headers });
    expect(status).to.equal(200);
    return /^(.*)\/ace\/getstream/m.exec(body)?.[1] ?? '';
  };
  const forwarded = {
    'X-Forwarded-Proto': 'https',
    'X-Forwarded-Host': 'tv.example',
    'X-Forwarded-Port': '8443',
    'X-Forwarded-Prefix': '/proxy/',
  };

  it('begins addresses as the request came', async () => {
    expect(await baseOf({}, [])).to.equal('http://inner:8000');
    expect(await baseOf({ Host: '[::1]:8000' }, [])).to.equal('http://[::1]:8000');
    expect(await baseOf({ Host: 'tv.example' }, [])).to.equal('http://tv.example');
  });

  it('believes X-Forwarded-* of trusted proxies only', async () => {
    expect(await baseOf(forwarded, [])).to.equal('http://inner:8000');
    expect(await baseOf(forwarded, ['10.0.0.0/8'])).to.equal('http://inner:8000');
    expect(await baseOf(forwarded, LOOPBACK)).to.equal('https://tv.example:8443/proxy');
  });

  it('makes sense of what proxies send', async () => {
    const base = (headers: Record<string, string>): Promise<string> => baseOf(headers, LOOPBACK);
    expect(await base({ 'X-Forwarded-Proto': 'https' })).to.equal('https://inner:8000');
    expect(
      await base({ Host: 'tv', 'X-Forwarded-Proto': 'https', 'X-Forwarded-Port': '80' }),
    ).to.equal('https://tv');
    expect(await base({ ...forwarded, 'X-Forwarded-Host': 'a.example:9, b' })).to.equal(
      'https://a.example:9/proxy',
    );
    expect(await base({ ...forwarded, 'X-Forwarded-Port': '8443, 80' })).to.equal(
      'https://tv.example:8443/proxy',
    );
    for (const prefix of ['//evil.example', '/a b', 'x', '/a?b', '/"']) {
      expect(await base({ ...forwarded, 'X-Forwarded-Prefix': prefix })).to.equal(
        'https://tv.example:8443',
      );
    }
    for (const port of ['x', '0', '-1', '99999999']) {
      expect(await base({ ...forwarded, 'X-Forwarded-Port': port })).to.equal(
        'https://tv.example/proxy',
      );
    }
    expect(await base({ Host: 'tv', 'X-Forwarded-Proto': 'javascript' })).to.equal('http://tv');
  });

  it('lets the configured address win over all that', async () => {
    const base = await baseOf(forwarded, LOOPBACK, 'https://public.example/tv');
    expect(base).to.equal('https://public.example/tv');
  });

  it('puts nothing into a playlist that is no host', async () => {
    const app = await start({}, { settings: { trustedProxies: LOOPBACK, workers: 1 } });
    for (const host of ['a/b', 'user@a', 'a b', 'a:b', 'a:99999', '"a"', '[x]', 'ä', 'a?b']) {
      const { status, body } = await get(app, { 'X-Forwarded-Host': host, Host: host });
      expect(status, host).to.equal(400);
      expect(body).to.include('BAD_REQUEST');
    }
  });
});

describe('GET /playlist.m3u?url=', () => {
  const ask = (app: RunningApp, url: string, headers = {}): Promise<Response> =>
    fetch(`${app.url}/playlist.m3u?url=${encodeURIComponent(url)}`, { headers });

  it('is off by default and names the setting', async () => {
    const app = await start();
    for (const headers of [{}, AUTHORIZED]) {
      const answer = await ask(app, 'http://a.example/', headers);
      expect(answer.status).to.equal(403);
      const error = await errorOf(answer);
      expect(error.code).to.equal('PLAYLIST_FETCH_OFF');
      expect(error.message).to.include('PROXY_PLAYLIST_FETCH');
    }
  });

  it('needs the key, also where nobody set one', async () => {
    let fetched = 0;
    const app = await start({
      fetch: () => {
        fetched += 1;
        return Promise.resolve(Buffer.from(`#EXTM3U\r\nacestream://${HEX}\r\n`));
      },
    });
    expect((await ask(app, 'http://a.example/')).status).to.equal(401);
    expect((await ask(app, '')).status).to.equal(401);
    const wrong = await ask(app, 'http://a.example/', { Authorization: 'Bearer x' });
    expect(wrong.status).to.equal(403);
    expect(fetched).to.equal(0);
    const answer = await ask(app, 'http://a.example/', AUTHORIZED);
    expect(await answer.text()).to.equal(`#EXTM3U\r\n${app.url}/ace/getstream?id=${HEX}\r\n`);
  });

  it('rewrites what it fetched, and refuses what it must not contact', async () => {
    const origin = await start();
    const list = `${origin.url}/playlist.m3u`;
    const any = await start({ fetch: makePlaylistFetch({ scope: 'any' }) });
    const answer = await ask(any, list, AUTHORIZED);
    expect(await answer.text()).to.equal(
      `#EXTM3U\n#EXTINF:-1,A\n${any.url}/ace/getstream?infohash=${HEX}\n`,
    );
    const onlyPublic = await start({ fetch: makePlaylistFetch({ scope: 'public' }) });
    const refused = await ask(onlyPublic, list, AUTHORIZED);
    expect(refused.status).to.equal(403);
    expect((await errorOf(refused)).code).to.equal('PLAYLIST_ADDRESS_REFUSED');
    const page = await ask(any, `${origin.url}/health/live`, AUTHORIZED);
    expect(page.status).to.equal(502);
    expect(await errorOf(page)).to.include({
      code: 'PLAYLIST_FETCH_FAILED',
      reason: 'it is no playlist',
    });
    const twice = await fetch(`${any.url}/playlist.m3u?url=${list}&url=${list}`, {
      headers: AUTHORIZED,
    });
    expect(twice.status).to.equal(400);
  });
});

describe('POST /playlist.m3u', () => {
  const post = (app: RunningApp, body: string | Buffer, headers = {}): Promise<Response> =>
    fetch(`${app.url}/playlist.m3u`, { method: 'POST', body, headers });

  it('rewrites the body, whatever its type and encoding', async () => {
    const app = await start();
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'audio/mpegurl']) {
      const body = Buffer.from(`\xef\xbb\xbf#EXTM3U\r\n#EXTINF:-1,\xe9\xff\r\n${HEX}\r`, 'latin1');
      const answer = await post(app, body, { 'Content-Type': type });
      expect(answer.headers.get('content-type')).to.equal('audio/x-mpegurl');
      expect(Buffer.from(await answer.arrayBuffer()).toString('latin1')).to.equal(
        body.toString('latin1').replace(HEX, `${app.url}/ace/getstream?id=${HEX}`),
      );
    }
  });

  it('needs the key when the operator has set one', async () => {
    const app = await start({}, { apiKeyConfigured: true });
    expect((await post(app, HEX)).status).to.equal(401);
    expect((await post(app, HEX, AUTHORIZED)).status).to.equal(200);
  });

  it('takes 2 MiB and no more, and no empty hand', async () => {
    const app = await start();
    const limit = 2 * 1_024 * 1_024;
    expect((await post(app, Buffer.alloc(limit, '#'))).status).to.equal(200);
    const large = await post(app, Buffer.alloc(limit + 1, '#'));
    expect(large.status).to.equal(400);
    expect((await errorOf(large)).reasons).to.deep.equal(['entity.too.large']);
    const none = await fetch(`${app.url}/playlist.m3u`, { method: 'POST' });
    expect(none.status).to.equal(400);
  });
});

describe('/ace/alias/:name', () => {
  /** Plays `channel` for one alias and is asked for nothing else. */
  function media(asked: object[]): Partial<HttpDeps> {
    const play = (_identity: unknown, socket: Socket): void => {
      socket.end(Buffer.alloc(188, 0x47));
    };
    const session = { clients: { play } };
    const deps = {
      clock: systemClock,
      access: openAccess(),
      onMoved: () => undefined,
      onPlaying: () => undefined,
      onJoined: () => undefined,
      aliases: {
        find: (alias: string) =>
          alias === 'nëws'
            ? Promise.resolve({ stream: HEX, keyType: 'infohash' })
            : Promise.reject(new AppError('ALIAS_NOT_FOUND')),
      },
      registry: {
        admit: ({ stream, client }: Record<string, string>, keyType: string) => {
          asked.push({ stream, keyType, named: typeof client });
          return Promise.resolve(session);
        },
      },
    };
    return { mediaRouter: makeMediaRouter(deps as unknown as MediaDeps) };
  }

  it('plays as /ace/getstream does', async () => {
    const asked: object[] = [];
    const app = await start({}, media(asked));
    const [byAlias, byId] = [
      await fetch(`${app.url}/ace/alias/${encodeURIComponent('nëws')}?pid=1`),
      await fetch(`${app.url}/ace/getstream?infohash=${HEX}`),
    ];
    for (const answer of [byAlias, byId]) {
      expect(answer.status).to.equal(200);
      expect(answer.headers.get('content-type')).to.equal('video/mp2t');
      expect(answer.headers.get('connection')).to.equal('close');
      expect((await answer.arrayBuffer()).byteLength).to.equal(188);
    }
    expect([...byAlias.headers.keys()]).to.deep.equal([...byId.headers.keys()]);
    const one = { stream: HEX, keyType: 'infohash', named: 'string' };
    expect(asked).to.deep.equal([one, one]);
  });

  it('answers HEAD without starting anything', async () => {
    const asked: object[] = [];
    const app = await start({}, media(asked));
    const head = await fetch(`${app.url}/ace/alias/n%C3%ABws`, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-type')]).to.deep.equal([200, 'video/mp2t']);
    const unknown = await fetch(`${app.url}/ace/alias/sport`, { method: 'HEAD' });
    expect(unknown.status).to.equal(404);
    expect(asked).to.deep.equal([]);
  });

  it('knows no other alias, and no other method', async () => {
    const asked: object[] = [];
    const app = await start({}, media(asked));
    for (const path of ['sport', '__proto__', 'n%00']) {
      const answer = await fetch(`${app.url}/ace/alias/${path}`);
      expect(answer.status, path).to.equal(404);
      expect((await errorOf(answer)).code, path).to.equal('ALIAS_NOT_FOUND');
    }
    const post = await fetch(`${app.url}/ace/alias/sport`, { method: 'POST' });
    expect([post.status, post.headers.get('allow')]).to.deep.equal([405, 'GET, HEAD']);
    expect(asked).to.deep.equal([]);
  });
});
