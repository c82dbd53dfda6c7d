import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { Player } from '../helpers/player.js';
import { API_KEY, setStage, type Stage } from '../helpers/stage.js';
import { until } from '../helpers/until.js';

const CHANNEL = '0123456789abcdef0123456789abcdef01234567';
const ANNA = 'annas-own-token-0123';
const SHARED = 'the-shared-token-01';
const SECRET = 'a-secret-of-32-characters-or-so';
/** What must never be seen outside of the memory of the processes. */
const SECRETS = [ANNA, SHARED, SECRET, 'a-wrong-token-0123', API_KEY];

const run = promisify(execFile);

interface Curled {
  readonly status: number;
  readonly head: string;
  readonly code: string;
}

/** As an operator would look: `curl -i`. */
async function curl(url: string, ...options: string[]): Promise<Curled> {
  const { stdout } = await run('curl', ['-si', '--max-time', '8', ...options, url]);
  const [head = '', body = ''] = stdout.split('\r\n\r\n');
  return {
    status: Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]),
    head: head.toLowerCase(),
    code: /"code":"(\w+)"/.exec(body)?.[1] ?? '',
  };
}

describe('Access to media, on the real process tree', () => {
  let directory: string;
  let stage: Stage;
  const players: Player[] = [];

  const play = (path: string): Player => {
    const player = new Player(stage.proxy.url + path);
    players.push(player);
    return player;
  };
  const id = `/ace/getstream?id=${CHANNEL}`;
  const workerOf = async (user: string): Promise<string[]> => {
    const { body } = await stage.proxy.json(`/streams/${CHANNEL}/clients`, stage.bearer());
    const clients = body as { user: string | null; worker_id: string }[];
    return clients.filter((client) => client.user === user).map((client) => client.worker_id);
  };

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'access-e2e-'));
    const users = [{ name: 'anna', token: ANNA, max_clients: 1 }];
    writeFileSync(join(directory, 'users.json'), JSON.stringify(users));
    writeFileSync(
      join(directory, 'tv.json'),
      JSON.stringify([{ name: 'News', content_id: CHANNEL }]),
    );
    stage = await setStage({
      engines: [{ source: 'stamped' }],
      env: {
        LOG_LEVEL: 'debug',
        PROXY_USERS: join(directory, 'users.json'),
        PROXY_CHANNELS: join(directory, 'tv.json'),
        PROXY_MEDIA_TOKEN: SHARED,
        PROXY_URL_SECRET: SECRET,
      },
    });
  });
  afterEach(async () => {
    for (const player of players.splice(0)) player.leave();
    await stage.clear();
  });
  after(async () => {
    await stage.end();
    rmSync(directory, { recursive: true });
  });

  it('is 401 without a token, 403 with a wrong one, and 429 for one connection too many', async () => {
    const { url } = stage.proxy;
    const none = await curl(url + id);
    expect([none.status, none.code]).to.deep.equal([401, 'TOKEN_NEEDED']);
    expect(none.head).to.include('www-authenticate: bearer');
    const wrong = await curl(`${url}${id}&token=a-wrong-token-0123`);
    expect([wrong.status, wrong.code]).to.deep.equal([403, 'TOKEN_REFUSED']);
    expect((await curl(url + id, '-I')).status).to.equal(401);
    expect(stage.engine.witness.starts).to.deep.equal({});

    await play(`/t/${ANNA}${id}`).untilBytes(200_000, 30_000);
    // As many as it takes to reach every worker.
    const more = await Promise.all(Array.from({ length: 4 }, () => curl(`${url}/t/${ANNA}${id}`)));
    for (const { status, code, head } of more) {
      expect([status, code]).to.deep.equal([429, 'USER_LIMIT']);
      expect(head).to.match(/retry-after: \d+/);
    }
    expect(await workerOf('anna')).to.have.length(1);
    players.splice(0).forEach((player) => player.leave());
    await play(`/t/${ANNA}${id}`).untilBytes(100_000);
  });

  it('plays from the playlist, which carries the token', async () => {
    const { url } = stage.proxy;
    for (const path of [`/t/${SHARED}/playlist.m3u`, `/playlist.m3u?token=${SHARED}`]) {
      const playlist = await (await fetch(url + path)).text();
      const address = playlist.split('\n').find((line) => line.startsWith('http')) ?? '';
      expect(address).to.equal(`${url}/t/${SHARED}/ace/getstream?content_id=${CHANNEL}`);
      await play(new URL(address).pathname + new URL(address).search).untilBytes(100_000);
    }
    expect((await curl(`${url}/playlist.m3u`)).code).to.equal('TOKEN_NEEDED');
  });

  it('opens what the script has signed, and nothing else', async () => {
    const script = new URL('../../scripts/sign-url.mjs', import.meta.url).pathname;
    const env = { PATH: process.env['PATH'], PROXY_URL_SECRET: SECRET };
    const { stdout } = await run(process.execPath, [script, stage.proxy.url + id, '--hours', '1'], {
      env,
    });
    const signed = new URL(stdout.trim());
    await play(signed.pathname + signed.search).untilBytes(100_000);
    const other = stdout.trim().replace(CHANNEL, 'f'.repeat(40));
    expect((await curl(other)).code).to.equal('SIGNATURE_REFUSED');
  });

  it('goes on over the death of a worker and over a reload, under the same limit', async () => {
    const player = play(`/t/${ANNA}${id}`);
    await player.untilBytes(200_000, 30_000);
    // From Redis: a draining worker closes the kept-alive connection of whoever asks it over HTTP.
    const { look } = stage.proxy;
    const key = `ace_proxy:stream:${CHANNEL}:clients`;
    const at = async (): Promise<string> =>
      until('its record', async () => {
        const [client] = await look.smembers(key);
        const record = client === undefined ? {} : await look.hgetall(`${key}:${client}`);
        return record['user'] === 'anna' ? record['worker_id'] : undefined;
      });
    const died = await at();
    process.kill(Number(died.split(':').at(-2)), 'SIGKILL');
    await until('a sibling serves it', async () => (await at()) !== died, 30_000);
    await player.untilMore(200_000);
    expect((await curl(`${stage.proxy.url}/t/${ANNA}${id}`)).code).to.equal('USER_LIMIT');

    const before = await at();
    stage.proxy.tree.signal('SIGHUP');
    await until('a successor serves it', async () => (await at()) !== before, 30_000);
    await player.untilMore(200_000);
    expect(player.closed).to.equal(false);
    expect((await curl(`${stage.proxy.url}/t/${ANNA}${id}`)).code).to.equal('USER_LIMIT');
  });

  it('answers a request again that its worker could not, and checks it again', async () => {
    stage.engine.set({ startDelayMs: 1_500 });
    const waiting = [play(`/t/${SHARED}${id}`), play(`/t/${SHARED}${id}`)];
    await until('the engine is asked', () => stage.engine.witness.startRequests[CHANNEL]);
    const pid = await stage.proxy.ownerPid(CHANNEL);
    process.kill(pid, 'SIGKILL');
    await Promise.all(waiting.map((player) => player.untilBytes(50_000, 30_000)));
    stage.engine.set({ startDelayMs: 0 });
  });

  it('leaves no token in the log, in Redis, or in what is shown', async () => {
    await play(`/t/${ANNA}${id}`).untilBytes(100_000);
    await curl(`${stage.proxy.url}${id}&token=a-wrong-token-0123`);
    const { look } = stage.proxy;
    const shown = [JSON.stringify(stage.proxy.tree.lines), stage.proxy.tree.stderr];
    for (const path of [`/streams/${CHANNEL}/clients`, `/streams/${CHANNEL}`, '/engines']) {
      shown.push(JSON.stringify((await stage.proxy.json(path, stage.bearer())).body));
    }
    shown.push(await (await fetch(`${stage.proxy.url}/metrics`, stage.bearer())).text());
    for (const key of await look.keys('ace_proxy:*')) {
      if (key.includes(':chunk:')) continue;
      const type = await look.type(key);
      shown.push(key, type === 'hash' ? JSON.stringify(await look.hgetall(key)) : '');
      if (type === 'string') shown.push((await look.get(key)) ?? '');
      if (type === 'set') shown.push((await look.smembers(key)).join());
    }
    expect(shown.join()).to.include('anna').and.include('access refused');
    expect(shown.join()).to.match(/ace_proxy_access_refused_total\{code="TOKEN_REFUSED"\} \d/);
    for (const secret of SECRETS) expect(shown.join().includes(secret), secret).to.equal(false);
  });
});
