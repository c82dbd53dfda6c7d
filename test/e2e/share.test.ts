import { expect } from 'chai';
import { Player } from '../helpers/player.js';
import { startProxy, type Proxy } from '../helpers/proxy.js';
import { until } from '../helpers/until.js';
import { startEngine, type SimulatedEngine } from '../simulator/engine.js';

const CHANNEL = '0123456789abcdef0123456789abcdef01234567';

describe('One engine session for many players', () => {
  let engine: SimulatedEngine;
  let proxy: Proxy;

  beforeEach(async () => {
    engine = await startEngine({ source: 'stamped' });
    proxy = await startProxy({ engines: [engine] });
  });

  afterEach(async () => {
    expect(await proxy.stop(), 'exit code').to.equal(0);
    await engine.stop();
  });

  it('serves twenty players that come at once on two workers from one session', async () => {
    const players = Array.from({ length: 20 }, () => new Player(proxy.media(CHANNEL)));
    await Promise.all(players.map((player) => player.untilBytes(1_500_000, 30_000)));
    const workers = new Set(
      await Promise.all(
        (await proxy.look.smembers(`ace_proxy:stream:${CHANNEL}:clients`)).map((client) =>
          proxy.look.hget(`ace_proxy:stream:${CHANNEL}:clients:${client}`, 'worker_id'),
        ),
      ),
    );
    expect(workers.size).to.equal(2);
    for (const player of players) {
      const { lost, duplicated, reordered, misaligned, stamped, marked } = player.report();
      expect({ lost, duplicated, reordered, misaligned, marked }).to.deep.equal({
        lost: 0,
        duplicated: 0,
        reordered: 0,
        misaligned: 0,
        marked: 0,
      });
      expect(stamped).to.be.greaterThan(5_000);
    }
    const list = (await proxy.json('/streams?status=started')).body as { key: string }[];
    expect(list.filter(({ key }) => key === CHANNEL)).to.have.length(1);

    for (const player of players) player.leave();
    await until('the session is stopped', () => engine.witness.stops[CHANNEL] === 1, 4_000);
    await proxy.untilNoKeys(2_000);
    expect(engine.witness.starts[CHANNEL]).to.equal(1);
    await engine.untilClean();
  });
});
