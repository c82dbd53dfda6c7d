import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { systemClock } from '../../../src/shared/clock.js';
import type { AccessSettings } from '../../../src/shared/config/settings.js';
import { signUrl } from '../../../src/shared/signed-url.js';
import type { HttpDeps } from '../../../src/worker/http/deps.js';
import { makeMediaRouter, type MediaDeps } from '../../../src/worker/http/routes/getstream.js';
import { parseChannelJson } from '../../../src/worker/playlist/channel-json.js';
import type { Socket } from 'node:net';
import { API_KEY, fakeDeps, openAccess, runApp, type RunningApp } from '../../helpers/http-app.js';

const HEX = 'ab'.repeat(20);
const TOKEN = 'the-shared-token-01';
const ANNA = 'annas-own-token-0123';
const SECRET = 'a-secret-of-32-characters-or-so';
const PLAY = `/ace/getstream?id=${HEX}`;
const LATER = Math.floor(Date.now() / 1_000) + 3_600;

const CHANNELS = parseChannelJson(
  Buffer.from(JSON.stringify([{ name: 'News', infohash: HEX, alias: 'news' }])),
);

interface Answer {
  readonly status: number;
  readonly code: string;
  readonly headers: Headers;
  readonly text: string;
}

describe('Access over HTTP', () => {
  let app: RunningApp;
  let directory: string;
  let users: (string | null)[];
  let addresses: string[];

  async function start(
    settings: Partial<AccessSettings> = {},
    more: Partial<HttpDeps> = {},
  ): Promise<void> {
    const access = openAccess(settings);
    users = [];
    addresses = [];
    const media = {
      ...{ access, clock: systemClock },
      ...{ onMoved: () => undefined, onPlaying: () => undefined, onJoined: () => undefined },
      aliases: { find: () => Promise.resolve({ stream: HEX, keyType: 'infohash' }) },
      registry: {
        admit: ({ user, ip }: { user: string | null; ip: string }) => {
          users.push(user);
          addresses.push(ip);
          const play = (_identity: unknown, socket: Socket): void =>
            void socket.end(Buffer.alloc(188));
          return Promise.resolve({ clients: { play } });
        },
      },
    };
    const playlists = {
      publicUrl: null,
      channels: { list: () => Promise.resolve(CHANNELS) },
      fetch: null,
    };
    app = await runApp(
      fakeDeps({
        access,
        playlists,
        mediaRouter: makeMediaRouter(media as unknown as MediaDeps),
        ...more,
      }),
    );
  }

  async function ask(path: string, init: RequestInit = {}): Promise<Answer> {
    const answer = await fetch(path.startsWith('http') ? path : app.url + path, init);
    const text = await answer.text();
    const body = (text.startsWith('{') ? JSON.parse(text) : {}) as { error?: { code: string } };
    const code = body.error?.code ?? '';
    return { status: answer.status, code, headers: answer.headers, text };
  }
  const bearer = (token: string): RequestInit => ({
    headers: { Authorization: `Bearer ${token}` },
  });
  const writeUsers = (list: object[]): void => {
    writeFileSync(join(directory, 'users.json'), JSON.stringify(list));
  };

  beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'access-'))));
  afterEach(async () => {
    rmSync(directory, { recursive: true });
    await app.close();
  });

  it('is open while nothing is configured, and the path form does no harm', async () => {
    await start();
    for (const path of [
      PLAY,
      `/t/whatever/ace/getstream?id=${HEX}`,
      `${PLAY}&token=x`,
      '/ace/alias/news',
    ]) {
      expect((await ask(path)).status, path).to.equal(200);
    }
    expect((await ask('/t/whatever/streams')).status).to.equal(404);
  });

  it('asks for a token with 401 and a challenge, the same for HEAD', async () => {
    await start({ mediaTokens: [TOKEN] });
    for (const path of [PLAY, '/ace/alias/news', '/playlist.m3u', '/ace/getstream?id=nonsense']) {
      const answer = await ask(path);
      expect([answer.status, answer.code], path).to.deep.equal([401, 'TOKEN_NEEDED']);
      expect(answer.headers.get('www-authenticate')).to.equal('Bearer');
      expect((await ask(path, { method: 'HEAD' })).status, path).to.equal(401);
    }
    expect(users).to.deep.equal([]);
  });

  it('takes the token from the path, the query and the header', async () => {
    await start({ mediaTokens: [TOKEN] });
    for (const [path, init] of [
      [`/t/${TOKEN}${PLAY}`, {}],
      [`/t/${TOKEN}/ace/alias/news`, {}],
      [`${PLAY}&token=${TOKEN}`, {}],
      [PLAY, bearer(TOKEN)],
      [PLAY, bearer(API_KEY)],
    ] as const) {
      expect((await ask(path, init)).status, path).to.equal(200);
      expect((await ask(path, { ...init, method: 'HEAD' })).status, path).to.equal(200);
    }
    expect(users).to.deep.equal([null, null, null, null, null]);
  });

  it('refuses a wrong one with 403, which never repeats it', async () => {
    await start({ mediaTokens: [TOKEN], urlSecrets: [SECRET] });
    const wrong = 'some-wrong-token-012';
    for (const [path, init, code] of [
      [`/t/${wrong}${PLAY}`, {}, 'TOKEN_REFUSED'],
      [`${PLAY}&token=${wrong}`, {}, 'TOKEN_REFUSED'],
      [PLAY, bearer(wrong), 'TOKEN_REFUSED'],
      [`${PLAY}&token=${API_KEY}`, {}, 'TOKEN_REFUSED'],
      [`${PLAY}&expires=${String(LATER)}&signature=${'A'.repeat(43)}`, {}, 'SIGNATURE_REFUSED'],
    ] as const) {
      const answer = await ask(path, init);
      expect([answer.status, answer.code], path).to.deep.equal([403, code]);
      expect(answer.text).to.not.include(wrong).and.not.include(API_KEY);
      expect((await ask(path, { ...init, method: 'HEAD' })).status, path).to.equal(403);
    }
  });

  it('blocks an address that guesses, also for what is right, and management with it', async () => {
    await start({ mediaTokens: [TOKEN] });
    for (let i = 0; i < 20; i += 1) {
      const guess =
        i % 2 === 0
          ? ask(`${PLAY}&token=wrong-${String(i)}-0123`)
          : ask('/engines/x', { method: 'DELETE', ...bearer('wrong') });
      expect((await guess).status).to.equal(403);
    }
    for (const answer of [
      await ask(`${PLAY}&token=${TOKEN}`),
      await ask('/engines/engine-1', { method: 'DELETE', ...bearer(API_KEY) }),
    ]) {
      expect([answer.status, answer.code]).to.deep.equal([429, 'TOO_MANY_FAILURES']);
      expect(Number(answer.headers.get('retry-after'))).to.be.greaterThan(0);
    }
    expect((await ask(PLAY)).status, 'who shows nothing guesses nothing').to.equal(401);
  });

  it('knows users by name, follows their file, and keeps the last good one', async () => {
    writeUsers([{ name: 'anna', token: ANNA }]);
    await start({ usersPath: join(directory, 'users.json') });
    expect((await ask(`/t/${ANNA}${PLAY}`)).status).to.equal(200);
    expect(users).to.deep.equal(['anna']);
    writeUsers([{ name: 'anna', token: ANNA, nonsense: 1 }]);
    expect((await ask(`/t/${ANNA}${PLAY}`)).status).to.equal(200);
    writeUsers([{ name: 'anna', token: ANNA, expires: '2020-01-01' }]);
    expect((await ask(`/t/${ANNA}${PLAY}`)).code).to.equal('TOKEN_EXPIRED');
    writeUsers([{ name: 'bert', token: 'berts-own-token-0123' }]);
    expect((await ask(`/t/${ANNA}${PLAY}`)).code).to.equal('TOKEN_REFUSED');
  });

  it('lets nobody in by a list that never was good', async () => {
    await start({ usersPath: join(directory, 'users.json'), mediaTokens: [TOKEN] });
    const answer = await ask(`/t/${ANNA}${PLAY}`);
    expect([answer.status, answer.code]).to.deep.equal([500, 'BAD_USERS']);
    expect((await ask(`/t/${TOKEN}${PLAY}`)).status).to.equal(200);
  });

  it('opens a signed address until its end, and nothing else with it', async () => {
    await start({ urlSecrets: [SECRET] });
    const sign = (path: string, expires = LATER): string =>
      signUrl(app.url + path, SECRET, { expires, user: 'guest' })!;
    expect((await ask(sign(PLAY))).status).to.equal(200);
    expect((await ask(sign('/ace/alias/news'))).status).to.equal(200);
    expect(users).to.deep.equal(['guest', 'guest']);
    expect((await ask(sign(PLAY, 1))).code).to.equal('SIGNATURE_EXPIRED');
    expect((await ask(sign(PLAY).replace('ab', 'cd'))).code).to.equal('SIGNATURE_REFUSED');
    expect((await ask(sign('/ace/alias/news').replace('news', 'sport'))).code).to.equal(
      'SIGNATURE_REFUSED',
    );
  });

  it('makes playlists that carry what let in who asked', async () => {
    await start({ mediaTokens: [TOKEN], urlSecrets: [SECRET] });
    const addressOf = async (path: string, init?: RequestInit): Promise<string> =>
      (await ask(path, init)).text.split('\n').find((line) => line.startsWith('http')) ?? '';
    const byToken = `${app.url}/t/${TOKEN}/ace/getstream?infohash=${HEX}`;
    expect(await addressOf(`/t/${TOKEN}/playlist.m3u`)).to.equal(byToken);
    expect(await addressOf(`/playlist.m3u?token=${TOKEN}`)).to.equal(byToken);
    const post = { method: 'POST', body: `#EXTM3U\nacestream://${HEX}\n` };
    expect((await ask('/playlist.m3u', post)).status).to.equal(401);
    expect(await addressOf(`/t/${TOKEN}/playlist.m3u`, post)).to.equal(
      byToken.replace('infohash', 'id'),
    );
    const bySignature = await addressOf(
      signUrl(`${app.url}/playlist.m3u`, SECRET, { expires: LATER, user: 'anna' })!,
    );
    expect(bySignature).to.include(`&expires=${String(LATER)}&user=anna&signature=`);
    expect(await addressOf('/playlist.m3u', bearer(API_KEY))).to.equal(
      `${app.url}/ace/getstream?infohash=${HEX}`,
    );
    for (const address of [byToken, bySignature]) expect((await ask(address)).status).to.equal(200);
  });

  it('keeps management and media to their networks, whatever else is shown', async () => {
    const elsewhere = ['192.0.2.0/24'];
    await start({ managementNetworks: elsewhere, mediaNetworks: ['127.0.0.1'] });
    for (const path of [
      '/streams',
      '/engines',
      '/metrics',
      '/events',
      '/panel',
      '/panel/panel.js',
      '/openapi.yaml',
      '/playlist.m3u?url=http://x/',
    ]) {
      const answer = await ask(path, bearer(API_KEY));
      const off = path.includes('url=');
      expect([answer.status, answer.code], path).to.deep.equal([
        403,
        off ? 'PLAYLIST_FETCH_OFF' : 'NETWORK_REFUSED',
      ]);
    }
    const post = await ask('/engines', { method: 'POST', body: '{}', ...bearer(API_KEY) });
    expect(post.code).to.equal('NETWORK_REFUSED');
    for (const path of ['/health/live', '/health/ready', PLAY, '/playlist.m3u']) {
      expect((await ask(path)).status, path).to.equal(200);
    }
    await app.close();
    await start({ mediaNetworks: elsewhere });
    expect((await ask(PLAY)).code).to.equal('NETWORK_REFUSED');
    expect((await ask('/panel')).status).to.equal(200);
  });

  it('means the address behind the trusted proxies, and believes nobody else', async () => {
    const from = (address: string): RequestInit => ({ headers: { 'X-Forwarded-For': address } });
    const mediaNetworks = ['192.0.2.0/24'];
    await start({ mediaNetworks }, { settings: { trustedProxies: ['127.0.0.1'], workers: 2 } });
    for (const [address, status] of [
      ['192.0.2.9', 200],
      ['::ffff:192.0.2.9', 200],
      ['198.51.100.1', 403],
      ['192.0.2.9, 198.51.100.1', 403],
      ['unknown', 403],
    ] as const) {
      expect((await ask(PLAY, from(address))).status, address).to.equal(status);
    }
    await app.close();
    await start({ mediaNetworks });
    expect((await ask(PLAY, from('192.0.2.9'))).status).to.equal(403);
  });

  it('records what a trusted proxy passes on only where it is an address', async () => {
    await start({}, { settings: { trustedProxies: ['127.0.0.1'], workers: 2 } });
    for (const forwarded of ['192.0.2.9', 'somebodys-own-token', '192.0.2.9:http']) {
      expect((await ask(PLAY, { headers: { 'X-Forwarded-For': forwarded } })).status).to.equal(200);
    }
    expect(addresses).to.deep.equal(['192.0.2.9', '', '']);
  });
});
