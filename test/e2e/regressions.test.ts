import { expect } from 'chai';
import { setTimeout as delay } from 'node:timers/promises';
import { setStage, type Stage } from '../helpers/stage.js';
import { until } from '../helpers/until.js';

const CHANNEL = 'beadbeadbeadbeadbeadbeadbeadbeadbeadbead';
const METADATA = `ace_proxy:stream:${CHANNEL}:metadata`;
/** Bytes of a few seconds of the simulator's stream. */
const SOME = 188 * 2_000;

/** Bugs of other proxies, by the numbers of docs/regressions.md; most have their test elsewhere. */
describe('What went wrong in other proxies', () => {
  let stage: Stage;
  afterEach(() => stage.end());

  it('101: a source that was stable and falls silent without closing hangs for ever', async () => {
    stage = await setStage({ engines: [{ gop: 0.5 }, { gop: 0.5 }] });
    const player = stage.play(CHANNEL);
    await player.untilBytes(SOME);
    const before = await stage.proxy.look.hget(METADATA, 'engine_id');
    stage.engines[Number(before?.slice(1)) - 1]?.stall(true);
    // Silent for the stall timeout on the same URL, then once more: the other engine.
    await until(
      'another engine serves',
      async () => (await stage.proxy.look.hget(METADATA, 'engine_id')) !== before,
      30_000,
    );
    await player.untilMore(SOME);
    expect(player.closed).to.equal(false);
    await stage.clear();
  });

  it('104: a chunk costs many round trips; 107: a player starts a process', async () => {
    stage = await setStage({ engines: [{ gop: 0.5 }] });
    const processes = stage.proxy.workers();
    const players = Array.from({ length: 6 }, () => stage.play(CHANNEL));
    await Promise.all(players.map((player) => player.untilBytes(SOME)));
    const index = async (): Promise<number> =>
      Number(await stage.proxy.look.get(`ace_proxy:stream:${CHANNEL}:buffer:index`));
    const monitor = await stage.proxy.look.monitor();
    const sent: string[][] = [];
    monitor.on('monitor', (_time: string, args: string[], source: string) => {
      if (source !== 'lua') sent.push(args);
    });
    const before = await index();
    await delay(2_500);
    const chunks = (await index()) - before;
    monitor.disconnect();
    const about = (part: string): number =>
      sent.filter((args) => args.some((text) => text.includes(part))).length;
    expect(chunks).to.be.greaterThan(10);
    expect(about(`${CHANNEL}:buffer:chunk:`), 'commands about chunks').to.be.at.most(
      chunks * 2 + 2,
    );
    // One write of the record and one of its life per heartbeat, which is a second here.
    expect(about(`${CHANNEL}:clients:`), 'commands about clients').to.be.at.most(6 * 4 * 3);
    expect(stage.proxy.workers()).to.deep.equal(processes);
    await stage.clear();
  });

  it('106: a player that waits at a follower is swept away before the stream has begun', async () => {
    const env = { PROXY_CLEANUP_INTERVAL: '1', PROXY_CLIENT_TTL: '3' };
    stage = await setStage({ engines: [{ startDelayMs: 2_500 }], env });
    const players = Array.from({ length: 4 }, () => stage.play(CHANNEL));
    await Promise.all(players.map((player) => player.untilBytes(SOME, 30_000)));
    expect(stage.engine.witness.starts[CHANNEL]).to.equal(1);
    await stage.clear();
  });
});
