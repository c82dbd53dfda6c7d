import { expect } from 'chai';
import type { Player } from '../helpers/player.js';
import { API_KEY, setStage, type Stage } from '../helpers/stage.js';
import { until } from '../helpers/until.js';

const CHANNEL = '6a7468657220746865206665772077686f207761';
const API = { headers: { Authorization: `Bearer ${API_KEY}` } };

describe('The few clients of a stream', () => {
  let stage: Stage;

  beforeEach(async () => {
    stage = await setStage({
      engines: [{ source: 'stamped' }],
      env: { PROXY_GATHER: '50', LOG_LEVEL: 'debug' },
    });
  });
  afterEach(() => stage.end());

  it('meet at the worker that owns it, and no player loses or repeats a byte', async () => {
    const players = Array.from({ length: 10 }, () => stage.play(CHANNEL));
    await Promise.all(players.map((player) => player.untilBytes(500_000)));
    expect(await workersOf(stage)).to.have.length(2);

    await until(
      'all are with one worker',
      async () => (await workersOf(stage)).length === 1,
      9_000,
    );
    const [worker] = await workersOf(stage);
    expect(worker).to.equal(await stage.proxy.look.get(`ace_proxy:stream:${CHANNEL}:owner`));

    const readsBefore = await chunkReads(stage);
    expect(readsBefore).to.be.greaterThan(0);
    await Promise.all(players.map((player) => player.untilMore(500_000)));
    expect(await chunkReads(stage), 'chunks read by followers').to.equal(readsBefore);
    for (const player of players) expectUndisturbed(player);
    expect(stage.engine.witness.starts[CHANNEL]).to.equal(1);
    await stage.clear();
  });

  it('play on when the worker that they met at is killed', async () => {
    const players = Array.from({ length: 6 }, () => stage.play(CHANNEL));
    await Promise.all(players.map((player) => player.untilBytes(300_000)));
    await until(
      'all are with one worker',
      async () => (await workersOf(stage)).length === 1,
      9_000,
    );
    process.kill(await stage.proxy.ownerPid(CHANNEL), 'SIGKILL');
    await Promise.all(players.map((player) => player.untilMore(500_000)));
    expect(players.filter(({ closed }) => closed)).to.deep.equal([]);
    await stage.clear();
  });
});

async function workersOf({ proxy }: Stage): Promise<string[]> {
  const prefix = `ace_proxy:stream:${CHANNEL}:clients`;
  const workers = await Promise.all(
    (await proxy.look.smembers(prefix)).map((id) =>
      proxy.look.hget(`${prefix}:${id}`, 'worker_id'),
    ),
  );
  return [...new Set(workers.filter((worker) => worker !== null))];
}

/** Chunks that followers have read so far. */
async function chunkReads({ proxy }: Stage): Promise<number> {
  const page = await (await fetch(`${proxy.url}/metrics`, API)).text();
  return Number(/^ace_proxy_ring_read_chunks_total (\d+)/m.exec(page)?.[1]);
}

function expectUndisturbed(player: Player): void {
  const { lost, duplicated, reordered, misaligned, marked } = player.report();
  expect({ lost, duplicated, reordered, misaligned, marked }).to.deep.equal({
    ...{ lost: 0, duplicated: 0, reordered: 0, misaligned: 0, marked: 0 },
  });
  expect(player.closed).to.equal(false);
}
