import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { openSockets } from '../helpers/leaks.js';
import { Player } from '../helpers/player.js';
import { setStage, type Stage } from '../helpers/stage.js';
import { until } from '../helpers/until.js';

const hexOf = (index: number): string => index.toString(16).padStart(4, '0').repeat(10);

async function refusal(stage: Stage, content: string): Promise<[number, string]> {
  const answer = await fetch(stage.proxy.media(content));
  const { error } = (await answer.json()) as { error: { code: string } };
  expect(Number(answer.headers.get('retry-after')), 'Retry-After').to.be.greaterThan(0);
  return [answer.status, error.code];
}

describe('A limit', () => {
  let stage: Stage;
  const set = async (env: Record<string, string>): Promise<void> => {
    stage = await setStage({ engines: [{ gop: 0.5 }], env: { PROXY_GRACE_PERIOD: '0.1', ...env } });
  };

  afterEach(() => stage.end());

  it('of clients refuses one more, and takes the next when one has left', async () => {
    await set({ PROXY_MAX_CLIENTS: '2' });
    const [first, second] = [stage.play(hexOf(1)), stage.play(hexOf(1))];
    await Promise.all([first.untilBytes(50_000), second.untilBytes(50_000)]);
    expect(await refusal(stage, hexOf(1))).to.deep.equal([503, 'CLIENT_LIMIT']);
    expect(await refusal(stage, hexOf(2))).to.deep.equal([503, 'CLIENT_LIMIT']);
    expect(stage.engine.witness.startRequests[hexOf(2)]).to.equal(undefined);
    second.leave();
    const third = await until('the place is free', async () => {
      const player = stage.play(hexOf(1));
      await until('an answer', () => player.status);
      return player.status === 200 ? player : null;
    });
    await third.untilBytes(50_000);
    await first.untilMore(50_000);
  });

  it('of streams refuses one more stream, and one more client of a running one not', async () => {
    await set({ PROXY_MAX_STREAMS: '1' });
    await stage.play(hexOf(1)).untilBytes(50_000);
    expect(await refusal(stage, hexOf(2))).to.deep.equal([503, 'STREAM_LIMIT']);
    await stage.play(hexOf(1)).untilBytes(50_000);
    await stage.clear();
    await stage.play(hexOf(2)).untilBytes(50_000);
  });

  it('of an engine refuses the stream that would be one too many', async () => {
    await set({ PROXY_MAX_STREAMS_PER_ENGINE: '2' });
    await stage.play(hexOf(1)).untilBytes(50_000);
    await stage.play(hexOf(2)).untilBytes(50_000);
    expect(await refusal(stage, hexOf(3))).to.deep.equal([503, 'NO_ENGINE']);
    expect(stage.engine.witness.startRequests[hexOf(3)]).to.equal(undefined);
  });
});

describe('The public port', () => {
  let stage: Stage;

  before(async () => {
    stage = await setStage({
      // Many players are read and checked in this process, which plays the engine too.
      engines: [{ contents: { [hexOf(1)]: { bitrate: 500_000 } } }],
      env: { PROXY_MAX_STREAMS_PER_ENGINE: '100' },
    });
  });

  afterEach(() => stage.clear());
  after(() => stage.end());

  it('ends a request that does not come to its end with 408', async () => {
    const { hostname, port } = new URL(stage.proxy.url);
    const socket = connect(Number(port), hostname);
    let text = '';
    let ended = false;
    socket.on('data', (bytes) => (text += bytes.toString()));
    socket.on('end', () => (ended = true));
    socket.write('GET /streams HTTP/1.1\r\nHost: x\r\n');
    const drip = setInterval(() => socket.write('X-Slow: 1\r\n'), 500);
    try {
      await until('the proxy loses its patience', () => ended, 30_000);
      expect(text).to.match(/^HTTP\/1\.1 408 /);
    } finally {
      clearInterval(drip);
      socket.destroy();
    }
  });

  it('refuses huge headers with 431', async () => {
    const head = `GET /streams HTTP/1.1\r\nHost: x\r\nX-Huge: ${'x'.repeat(100_000)}\r\n\r\n`;
    const player = new Player(stage.proxy.url, { head });
    await until('an answer', () => player.status);
    expect(player.status).to.equal(431);
    await player.untilClosed();
  });

  it('serves 300 players that connect at once', async () => {
    const begun = Date.now();
    const players = Array.from({ length: 300 }, () => stage.play(hexOf(1)));
    await Promise.all(players.map((player) => player.untilBytes(20_000, 30_000)));
    process.stdout.write(`      300 players served after ${String(Date.now() - begun)} ms\n`);
    expect(new Set(players.map(({ status }) => status))).to.deep.equal(new Set([200]));
    expect(stage.engine.witness.starts[hexOf(1)]).to.equal(1);
  });

  it('keeps nothing of ten zaps a second', async () => {
    const { proxy, engine } = stage;
    const pids = [proxy.tree.pid, ...proxy.workers()];
    await stage.play(hexOf(0)).untilBytes(20_000);
    await stage.clear();
    const resting = pids.map(openSockets);
    for (let i = 0; i < 30; i += 1) {
      const player = new Player(proxy.media(hexOf(100 + (i % 12))));
      await delay(100);
      player.leave();
    }
    const last = stage.play(hexOf(200));
    await last.untilBytes(50_000);
    await stage.clear();
    await until('the sockets are closed', () =>
      pids.every((pid, i) => openSockets(pid) <= (resting[i] ?? 0)),
    );
    const { sessions } = engine.witness;
    expect(
      sessions.every(({ stopCommands }) => stopCommands === 1),
      'each stopped once',
    ).to.equal(true);
  });
});
