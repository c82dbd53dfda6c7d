import { expect } from 'chai';
import { runScript, type ScriptResult } from '../helpers/run-script.js';
import { setStage, type Stage } from '../helpers/stage.js';

const CHANNEL = 'beefbeefbeefbeefbeefbeefbeefbeefbeefbeef';

describe("The operators' scripts, on a proxy that plays", () => {
  let stage: Stage;
  const script = (name: string, ...args: string[]): Promise<ScriptResult> =>
    runScript(`${name}.mjs`, ['--redis', stage.proxy.redis.url, ...args]);

  before(async () => {
    stage = await setStage();
  });

  after(() => stage.end());

  it('list streams and clients, kick one client and stop the stream', async () => {
    const players = [stage.play(CHANNEL), stage.play(CHANNEL), stage.play(CHANNEL)];
    await Promise.all(players.map((player) => player.untilBytes(100_000)));

    const streams = await script('streams', '--json');
    expect(streams.code, streams.stderr).to.equal(0);
    const [listed] = JSON.parse(streams.stdout) as { key: string; clients: number; head: number }[];
    expect(listed).to.include({ key: CHANNEL, clients: 3 });
    expect(listed?.head).to.be.greaterThan(0);
    expect((await script('streams')).stdout).to.include(CHANNEL);

    const shown = await script('stream', CHANNEL, '--json');
    expect(shown.code, shown.stderr).to.equal(0);
    const { clients } = JSON.parse(shown.stdout) as { clients: { id: string }[] };
    expect(clients).to.have.length(3);

    const orphans = await script('orphans');
    expect(orphans.stdout.trim()).to.equal('no orphans');
    expect(orphans.code).to.equal(1);

    const kick = await script('kick-client', CHANNEL, String(clients[0]?.id));
    expect(kick.code, kick.stderr).to.equal(0);
    await Promise.race(players.map((player) => player.untilClosed()));
    expect(players.filter(({ closed }) => closed)).to.have.length(1);

    const stop = await script('stop-stream', CHANNEL);
    expect(stop.stdout.trim(), stop.stderr).to.equal('stopped');
    expect(stop.code).to.equal(0);
    await Promise.all(players.map((player) => player.untilClosed()));
    expect((await script('stop-stream', CHANNEL)).code).to.equal(1);
    await stage.clear();
    expect(stage.engine.witness.stops[CHANNEL]).to.equal(1);
  });
});
