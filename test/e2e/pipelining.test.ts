import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect } from 'chai';
import type { Player } from '../helpers/player.js';
import { setStage, type Stage } from '../helpers/stage.js';
import { until } from '../helpers/until.js';

const SLOW = '0e0e'.repeat(10);
const RUNNING = '0f0f'.repeat(10);
const MEDIA_HEAD = /^HTTP\/1\.1 200 OK\r\nContent-Type: video\/mp2t\r\n/;

/** RFC 9112, 9.3.2. Media has no end, so that nothing can be answered behind it. */
describe('A connection on which the next request comes before the answer', () => {
  let stage: Stage;
  let runner: Player;
  let sockets: Socket[];

  before(async () => {
    const contents = { [SLOW]: { startDelayMs: 700 } };
    stage = await setStage({ engines: [{ gop: 0.5, prebufferMs: 0, contents }], workers: 1 });
  });
  beforeEach(async () => {
    sockets = [];
    runner = stage.play(RUNNING);
    await runner.untilBytes(500_000);
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    await stage.clear();
  });
  after(() => stage.end());

  const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
  const media = (id: string): string => get(`/ace/getstream?id=${id}`);

  /** All of it in one write, and everything that comes. */
  async function ask(...requests: string[]): Promise<{ text: () => string; socket: Socket }> {
    const { hostname, port } = new URL(stage.proxy.url);
    const socket = connect(Number(port), hostname);
    sockets.push(socket);
    const parts: string[] = [];
    socket.on('data', (bytes) => parts.push(bytes.toString('latin1')));
    await once(socket, 'connect');
    socket.write(requests.join(''));
    return { text: () => parts.join(''), socket };
  }

  it('gets the stream that was asked for first, also when another one is there sooner', async () => {
    const both = stage.play(SLOW, { head: media(SLOW) + media(RUNNING) });
    await both.untilBytes(500_000);
    expect(both.head).to.match(MEDIA_HEAD);
    const { stamped, lost, duplicated, corrupt, misaligned, ccErrors } = both.report();
    expect(stamped).to.be.greaterThan(1_000);
    const faults = { lost, duplicated, corrupt, misaligned, ccErrors };
    expect(Object.values(faults), JSON.stringify(faults)).to.deep.equal([0, 0, 0, 0, 0]);
    const listed = await stage.proxy.json(`/streams/${RUNNING}`, stage.bearer());
    expect((listed.body as { clients: number }).clients).to.equal(1);
  });

  it('gets the one answer that was due, and its end', async () => {
    for (const path of ['/health/live', '/health/ready', '/streams']) {
      const { text, socket } = await ask(get(path), media(RUNNING));
      await until('the end', () => socket.readableEnded);
      expect(text().match(/HTTP\/1\.1 /g), path).to.have.length(1);
      const [head = '', body = ''] = text().split('\r\n\r\n');
      const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1]);
      expect(body.length, path).to.equal(length);
    }
  });

  it('gets a stream after an answer that it has waited for', async () => {
    const { text, socket } = await ask(get('/health/live'));
    await until('the answer', () => text().endsWith('{"status":"live"}'));
    const before = text().length;
    socket.write(media(RUNNING));
    await until('media', () => text().length > before + 100_000);
    expect(text().slice(before)).to.match(MEDIA_HEAD);
  });
});
