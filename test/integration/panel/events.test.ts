import { connect } from 'node:net';
import { expect } from 'chai';
import { systemClock } from '../../../src/shared/clock.js';
import type { LiveClient, Snapshot } from '../../../src/shared/inspect/live-view.js';
import { silentLogger } from '../../helpers/silent-logger.js';
import { EventHub, MAX_LISTENERS } from '../../../src/worker/http/event-hub.js';
import { API_KEY, fakeDeps, runApp, type RunningApp } from '../../helpers/http-app.js';
import { until } from '../../helpers/until.js';

const KEY = { Authorization: `Bearer ${API_KEY}` };
const SNAPSHOT: Snapshot = {
  at: 1,
  redis: {
    available: true,
    latency_ms: 1,
    version: '7',
    used_bytes: 1,
    max_bytes: 0,
    commands_per_second: 1,
    connections: 1,
    uptime_seconds: 1,
  },
  streams: [],
  engines: [],
};
const CLIENTS = [{ id: 'c1', ip_address: '192.0.2.1' }] as unknown as readonly LiveClient[];

/** One listener, read as it comes. */
class Listener {
  text = '';
  ended = false;
  readonly #abort = new AbortController();

  static async open(
    url: string,
    headers: Record<string, string> = {},
  ): Promise<{ status: number; listener: Listener; answer: Response }> {
    const listener = new Listener();
    const answer = await fetch(`${url}/events`, { headers, signal: listener.#abort.signal });
    if (answer.ok) void listener.#read(answer);
    return { status: answer.status, listener, answer };
  }

  get snapshots(): Snapshot[] {
    return [...this.text.matchAll(/^event: snapshot\ndata: (.*)\n\n/gm)].map(
      ([, data]) => JSON.parse(data!) as Snapshot,
    );
  }

  leave(): void {
    this.#abort.abort();
  }

  async #read(answer: Response): Promise<void> {
    const decoder = new TextDecoder();
    try {
      for await (const part of answer.body!) this.text += decoder.decode(part as Uint8Array);
    } catch {
      // It left.
    }
    this.ended = true;
  }
}

describe('GET /events', () => {
  let app: RunningApp;
  let hub: EventHub;
  let reads: boolean[];
  let answer: () => Promise<Snapshot>;
  const listeners: Listener[] = [];

  const start = async (apiKeyConfigured = false): Promise<void> => {
    hub = new EventHub({
      read: ({ clients }) => {
        reads.push(clients);
        return answer().then((snapshot) => ({ ...snapshot, ...(clients && { clients: CLIENTS }) }));
      },
      clock: systemClock,
      logger: silentLogger,
    });
    app = await runApp(fakeDeps({ apiKeyConfigured, events: hub }));
  };
  const listen = async (headers: Record<string, string> = {}) => {
    const opened = await Listener.open(app.url, headers);
    listeners.push(opened.listener);
    return opened;
  };

  beforeEach(() => {
    reads = [];
    answer = () => Promise.resolve(SNAPSHOT);
  });

  afterEach(async () => {
    for (const listener of listeners.splice(0)) listener.leave();
    await app.close();
    await until('no listener is left', () => hub.size === 0);
  });

  it('ends the answer to HEAD, which takes nobody a place', async () => {
    await start();
    const socket = connect(app.port, '127.0.0.1');
    let text = '';
    let ended = false;
    socket.on('data', (part: Buffer) => (text += part.toString()));
    socket.on('end', () => (ended = true));
    socket.write('HEAD /events HTTP/1.1\r\nHost: panel\r\n\r\n');
    await until('it is answered and closed', () => ended);
    expect(text).to.match(/^HTTP\/1\.1 200 [^]*\r\nContent-Type: text\/event-stream/);
    expect(hub.size).to.equal(0);
  });

  it('tells everything but the players to whoever asks while no key is configured', async () => {
    await start();
    const { listener, answer: head } = await listen();
    expect(head.headers.get('content-type')).to.equal('text/event-stream; charset=utf-8');
    expect(head.headers.get('cache-control')).to.equal('no-store');
    await until('a snapshot', () => listener.snapshots.length > 0);
    expect(listener.snapshots[0]).to.deep.equal(SNAPSHOT);
    expect(reads).to.deep.equal([false]);
  });

  it('tells the players to who shows the key, and only to them', async () => {
    await start();
    const [open, trusted] = await Promise.all([listen(), listen(KEY)]);
    await until('a snapshot each', () =>
      [open, trusted].every(({ listener }) => listener.snapshots.length > 1),
    );
    expect(trusted.listener.snapshots.at(-1)).to.deep.include({ clients: CLIENTS });
    expect(open.listener.text).to.not.include('192.0.2.1');
  });

  it('needs the key when one is configured, and never takes a wrong one', async () => {
    await start(true);
    expect((await listen()).status).to.equal(401);
    expect((await listen({ Authorization: 'Bearer wrong' })).status).to.equal(403);
    expect((await listen(KEY)).status).to.equal(200);
    await app.close();
    await start(false);
    expect((await listen({ Authorization: 'Bearer wrong' })).status).to.equal(403);
  });

  it('reads once a second for all listeners together, and not at all without one', async () => {
    await start();
    const all = await Promise.all([listen(), listen(), listen()]);
    await until('three snapshots each', () =>
      all.every(({ listener }) => listener.snapshots.length >= 3),
    );
    expect(reads.length).to.be.within(3, 5);
    for (const { listener } of all) listener.leave();
    await until('all have left', () => hub.size === 0);
    const before = reads.length;
    await new Promise((resolve) => setTimeout(resolve, 1_300));
    expect(reads.length).to.equal(before);
  });

  it('refuses the thirty-third listener with a word on when to try again', async () => {
    await start();
    await Promise.all(Array.from({ length: MAX_LISTENERS }, () => listen()));
    const { status, answer: refused } = await listen();
    expect(status).to.equal(503);
    expect(refused.headers.get('retry-after')).to.equal('5');
    expect(await refused.json()).to.have.nested.property('error.code', 'LISTENER_LIMIT');
    listeners[0]!.leave();
    await until('there is room again', () => hub.size < MAX_LISTENERS);
    expect((await listen()).status).to.equal(200);
  });

  it('says since when Redis is away, and goes on when it is back', async () => {
    await start();
    answer = () => Promise.reject(new Error('away'));
    const { listener } = await listen();
    await until('two snapshots', () => listener.snapshots.length >= 2);
    const [first, second] = listener.snapshots;
    expect(first!.redis.available).to.be.false;
    expect(second!.redis).to.deep.equal(first!.redis);
    expect(Object.keys(first!).sort()).to.deep.equal(['at', 'redis']);
    answer = () => Promise.resolve(SNAPSHOT);
    await until('the whole again', () => listener.snapshots.at(-1)!.redis.available);
  });

  it('keeps the line alive while Redis does not answer', async () => {
    await start();
    answer = () => new Promise(() => undefined);
    const { listener } = await listen();
    await until('a heartbeat', () => listener.text.includes(': heartbeat'));
    await until('Redis is given up', () => listener.snapshots[0]?.redis.available === false);
  });

  it('queues nothing for a listener that does not read, and goes on for the others', async () => {
    await start();
    const large = { ...SNAPSHOT, engines: [{ id: 'x'.repeat(12_000_000) }] };
    answer = () => Promise.resolve(large);
    const stuck = connect(app.port, '127.0.0.1');
    stuck.write('GET /events HTTP/1.1\r\nHost: x\r\n\r\n');
    await until('it listens', () => hub.size === 1);
    await until('a snapshot was sent', () => reads.length >= 1);
    answer = () => Promise.resolve(SNAPSHOT);
    const { listener } = await listen();
    await until('the other gets three', () => listener.snapshots.length >= 3);
    let got = '';
    stuck.setEncoding('latin1').on('data', (part: string) => (got += part.replaceAll('x', '')));
    await until('it reads again', () => got.split('event: snapshot').length >= 3);
    expect(got.split('event: snapshot').length - 1).to.be.lessThan(reads.length);
    stuck.destroy();
  });

  it('ends every line when the worker goes, and takes no new one', async () => {
    await start();
    const { listener } = await listen();
    await hub.close();
    await until('the line ends', () => listener.ended);
    expect(listener.text).to.match(/event: end\ndata: \{\}\n\n$/);
    expect((await listen()).status).to.equal(503);
  });
});
