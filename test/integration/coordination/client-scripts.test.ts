import { expect } from 'chai';
import type { StreamId } from '../../../src/shared/ids.js';
import { defineScript } from '../../../src/shared/redis/scripts.js';
import { RedisReaper } from '../../../src/shared/redis/reaper.js';
import type { RedisFixture } from '../../helpers/redis-fixture.js';
import { until } from '../../helpers/until.js';
import {
  clientNamed,
  join,
  makeStores,
  win,
  type WorkerStores,
} from '../../helpers/scripted-redis.js';
import { useTwoWorkers } from '../../helpers/two-workers.js';

const STREAM = 'd'.repeat(40) as StreamId;
const CLIENT = clientNamed(1);

describe('the scripts of leases', () => {
  let fixture: RedisFixture;
  let a: WorkerStores;
  let b: WorkerStores;
  useTwoWorkers((two) => ({ fixture, a, b } = two));

  const names = (): ReturnType<RedisFixture['keys']['stream']> => fixture.keys.stream(STREAM);
  const left = (): Promise<string[]> => fixture.redis.keys(`ace_proxy:stream:${STREAM}*`);
  const idle = { now: 10_000, graceMs: 0, forced: false, idleSince: 0 } as const;

  it('register a client and tell who owns the stream', async () => {
    expect(await join(a, STREAM, CLIENT)).to.deep.equal({ joined: true, owner: '', term: 0 });
    const { term } = await win(b, STREAM);
    expect(await join(a, STREAM, clientNamed(2))).to.deep.equal({
      joined: true,
      owner: b.worker,
      term,
    });
    const record = await fixture.redis.hgetall(names().client(CLIENT));
    expect(record).to.include({ worker_id: a.worker });
    expect(await fixture.redis.pttl(names().client(CLIENT))).to.be.greaterThan(0);
    expect(await fixture.redis.pttl(names().clients)).to.be.greaterThan(0);
  });

  it('write nothing of a client while the stream is being stopped', async () => {
    const own = await win(a, STREAM);
    await a.owners.beginStop(own, idle);
    expect(await join(b, STREAM, CLIENT)).to.deep.equal({ joined: false });
    expect(await fixture.redis.exists(names().clients, names().client(CLIENT))).to.equal(0);
  });

  it('end the grace period when somebody comes back', async () => {
    const own = await win(a, STREAM);
    await join(a, STREAM, CLIENT);
    await a.clients.leave(STREAM, CLIENT, 1);
    await join(a, STREAM, CLIENT);
    expect(await a.owners.beginStop(own, idle)).to.equal('watched');
    expect(await fixture.redis.exists(names().lastClientDisconnect)).to.equal(0);
  });

  it('decide between a join and a stop at the same moment: one of the two, never both', async () => {
    const other = fixture.redis.duplicate({ enableOfflineQueue: true });
    const remote = makeStores(other, fixture.keys, 'remote');
    const seen = { joined: 0, stopped: 0 };
    for (let round = 0; round < 200; round++) {
      const own = await win(a, STREAM);
      const stopping = round % 2 === 0 ? a.owners.beginStop(own, idle) : null;
      const joining = join(remote, STREAM, CLIENT);
      const stop = await (stopping ?? a.owners.beginStop(own, idle));
      const { joined } = await joining;
      expect(joined).to.equal(stop === 'watched');
      seen[joined ? 'joined' : 'stopped']++;
      await fixture.redis.flushall();
    }
    other.disconnect();
    expect(Math.min(seen.joined, seen.stopped)).to.be.greaterThan(0);
  });

  it('take a client out once and count who is left', async () => {
    await win(a, STREAM);
    await join(a, STREAM, CLIENT);
    await join(a, STREAM, clientNamed(2));
    expect(await a.clients.leave(STREAM, CLIENT, 50)).to.equal(1);
    expect(await a.clients.leave(STREAM, CLIENT, 60)).to.equal(1);
    expect(await fixture.redis.exists(names().lastClientDisconnect)).to.equal(0);
    expect(await a.clients.leave(STREAM, clientNamed(2), 70)).to.equal(0);
    expect(await a.clients.leave(STREAM, clientNamed(2), 80)).to.equal(0);
    expect(await fixture.redis.get(names().lastClientDisconnect)).to.equal('70');
  });

  it('leave no key behind when a player goes before anybody owned its stream', async () => {
    await join(a, STREAM, CLIENT);
    expect(await a.clients.leave(STREAM, CLIENT, 1)).to.equal(0);
    expect(await left()).to.deep.equal([]);
  });

  it('forget with a client that it was asked to leave', async () => {
    await join(a, STREAM, CLIENT);
    await fixture.redis.set(names().clientStop(CLIENT), 'kicked');
    await fixture.redis.set(names().clientStop(clientNamed(2)), 'kicked');
    await a.clients.leave(STREAM, CLIENT, 1);
    expect(await left()).to.deep.equal([names().clientStop(clientNamed(2))]);
  });

  it('keep a client that another worker has taken over', async () => {
    await win(a, STREAM);
    await join(a, STREAM, CLIENT);
    await join(b, STREAM, CLIENT);
    expect(await a.clients.leave(STREAM, CLIENT, 1)).to.equal(null);
    expect(await fixture.redis.smembers(names().clients)).to.deep.equal([CLIENT]);
    expect(await b.clients.leave(STREAM, CLIENT, 2)).to.equal(0);
  });

  it('drop clients whose record ran out, and begin the grace period with the last', async () => {
    await win(a, STREAM);
    for (const n of [1, 2, 3]) await join(a, STREAM, clientNamed(n));
    await fixture.redis.del(names().client(clientNamed(1)), names().client(clientNamed(2)));
    expect(await a.clients.reap(STREAM, 5)).to.equal(2);
    expect(await fixture.redis.exists(names().lastClientDisconnect)).to.equal(0);
    expect(await a.clients.reap(STREAM, 6)).to.equal(0);
    await fixture.redis.del(names().client(clientNamed(3)));
    expect(await a.clients.reap(STREAM, 7)).to.equal(1);
    expect(await fixture.redis.get(names().lastClientDisconnect)).to.equal('7');
  });

  it('look again before they drop a client: its lease may be back, and its leave may have been seen', async () => {
    const script = defineScript(fixture.redis, 'reapClients-3');
    const reap = (now: number, ...numbers: number[]): Promise<unknown> =>
      script(
        [
          ...[names().clients, names().lastClientDisconnect, names().metadata],
          ...numbers.map((n) => names().client(clientNamed(n))),
        ],
        [now, 60_000, ...numbers.map(clientNamed)],
      );
    await win(a, STREAM);
    for (const n of [1, 2]) await join(a, STREAM, clientNamed(n));
    expect(await reap(5, 1, 2)).to.equal(0);
    await fixture.redis.del(names().client(clientNamed(2)));
    expect(await reap(6, 1, 2)).to.equal(1);
    expect(await fixture.redis.smembers(names().clients)).to.deep.equal([clientNamed(1)]);
    await a.clients.leave(STREAM, clientNamed(1), 7);
    expect(await reap(8, 1, 2)).to.equal(0);
    expect(await fixture.redis.get(names().lastClientDisconnect)).to.equal('7');
  });

  it('leave no key behind when the last lease runs out before anybody owned its stream', async () => {
    await join(a, STREAM, CLIENT);
    await fixture.redis.del(names().client(CLIENT));
    expect(await a.clients.reap(STREAM, 5)).to.equal(1);
    expect(await left()).to.deep.equal([]);
  });

  it('are dropped for a dead worker, but not those that a sibling has adopted', async () => {
    await win(a, STREAM);
    for (const n of [1, 2, 3]) await join(a, STREAM, clientNamed(n));
    await join(b, STREAM, clientNamed(2));
    const reaper = new RedisReaper(fixture.redis, fixture.keys);
    await reaper.dropClients(a.worker, 5);
    expect(await fixture.redis.smembers(names().clients)).to.deep.equal([clientNamed(2)]);
    expect(await fixture.redis.exists(names().lastClientDisconnect)).to.equal(0);
    await reaper.dropClients(b.worker, 6);
    expect(await fixture.redis.exists(names().clients)).to.equal(0);
    expect(await fixture.redis.get(names().lastClientDisconnect)).to.equal('6');
  });

  it('are told of one by one when they are dropped, by the clock of Redis', async () => {
    await win(a, STREAM);
    await join(b, STREAM, clientNamed(1));
    for (const n of [2, 3]) await join(a, STREAM, clientNamed(n));
    const listener = fixture.redis.duplicate({ enableOfflineQueue: true });
    const heard: unknown[] = [];
    listener.on('message', (_channel, text: string) => heard.push(JSON.parse(text)));
    await listener.subscribe(names().events);
    const reaper = new RedisReaper(fixture.redis, fixture.keys);
    await reaper.dropClients(a.worker);
    await until('both are told of', () => heard.length === 2).finally(() => listener.disconnect());
    const gone = heard.map((event) => (event as { client: string }).client);
    expect(gone).to.have.members([clientNamed(2), clientNamed(3)]);
    await reaper.dropClients(b.worker);
    const [seconds] = await fixture.redis.time();
    const left = Number(await fixture.redis.get(names().lastClientDisconnect));
    expect(left / 1_000).to.be.closeTo(Number(seconds), 2);
  });

  it('put leases back with a pulse after Redis came back empty', async () => {
    const pulse = {
      ...{ client: CLIENT, connectedAt: 1, ip: '', userAgent: '', stream: STREAM, lastActive: 2 },
      ...{ bytesSent: 188, chunksSent: 1, averageRate: 1.25, currentRate: 0 },
    };
    await a.clients.pulse([pulse], { now: 3, limited: false });
    await a.clients.beat({ now: 3, ttlMs: 1_000, clients: 1 });
    expect(await fixture.redis.smembers(names().clients)).to.deep.equal([CLIENT]);
    expect(await fixture.redis.hgetall(names().client(CLIENT))).to.include({
      worker_id: a.worker,
      bytes_sent: '188',
      avg_rate_KBps: '1.3',
    });
    expect(await fixture.redis.pttl(fixture.keys.heartbeat(a.worker))).to.be.greaterThan(0);
    await a.clients.forgetWorker();
    expect(await fixture.redis.exists(fixture.keys.heartbeat(a.worker))).to.equal(0);
  });

  it('tell which clients were asked to leave', async () => {
    await fixture.redis.set(names().clientStop(clientNamed(2)), '1');
    const clients = [1, 2].map((n) => ({ stream: STREAM, client: clientNamed(n) }));
    expect(await a.clients.askedToLeave(clients)).to.deep.equal([clientNamed(2)]);
    expect(await a.clients.askedToLeave([])).to.deep.equal([]);
  });

  it('admit up to the limit, count nobody twice and forget leases that ran out', async () => {
    const admit = (n: number, now: number): Promise<boolean> =>
      a.clients.admit(clientNamed(n), 2, now);
    expect([await admit(1, 0), await admit(2, 10), await admit(3, 20)]).to.deep.equal([
      true,
      true,
      false,
    ]);
    expect(await admit(1, 30)).to.equal(true);
    const { admittedClients } = fixture.keys;
    expect(await fixture.redis.pttl(admittedClients)).to.be.within(90_000, 120_000);
    expect(await fixture.redis.zrange(admittedClients, '0', '-1', 'WITHSCORES')).to.deep.equal([
      ...[clientNamed(2), '60010', clientNamed(1), '60030'],
    ]);
    // The second one's 60 s are over, the first one was prolonged.
    expect(await admit(3, 60_010)).to.equal(true);
    expect(await admit(2, 60_020)).to.equal(false);
    await join(a, STREAM, clientNamed(1));
    await a.clients.leave(STREAM, clientNamed(1), 1);
    expect(await admit(2, 60_020)).to.equal(true);
  });
});
