import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';

import { expect } from 'chai';

import { cpuMsOf, isAlive } from '../../helpers/process-tree.js';
import { ToyTree } from '../../helpers/toy-tree.js';
import { until } from '../../helpers/until.js';

describe('supervision', () => {
  let toy: ToyTree;

  afterEach(() => toy.end());

  async function start(workers: number, shutdownTimeoutMs = 5_000): Promise<void> {
    toy = await ToyTree.start({ workers, shutdownTimeoutMs });
    await until(
      'all workers serve',
      () => toy.tree.find('a worker serves').length === workers,
      30_000,
    );
  }

  it('frees what a dead worker owned, and starts another at once', async () => {
    await start(2);
    const victim = Number((await toy.get('/own')).body);
    process.kill(victim, 'SIGKILL');
    const reaped = await toy.tree.line('reaped');
    expect(String(reaped.worker)).to.contain(`:${String(victim)}:`);
    expect(reaped.owned).to.deep.equal([{ stream: 'a'.repeat(40), term: 7 }]);
    await until('a third one serves', () => toy.tree.find('a worker serves').length === 3, 30_000);
    expect((await toy.statuses()).map(({ restarts }) => restarts).sort()).to.deep.equal([0, 1]);
  });

  it('stops within the time that the last reload has read', async () => {
    await start(1, 5_000);
    toy.settings({ workers: 1, shutdownTimeoutMs: 4_000 });
    toy.tree.signal('SIGHUP');
    await toy.tree.line('reloaded', 30_000);
    toy.tree.signal('SIGTERM');
    expect((await toy.tree.line('shutting down')).withinMs).to.equal(4_000);
  });

  it('restarts a worker that fails again and again less and less often', async () => {
    await start(2);
    toy.failing(true);
    process.kill(Number(toy.tree.children()[0]), 'SIGKILL');
    await until('four restarts', () => toy.tree.find('restarting a worker').length >= 4, 30_000);
    const delays = toy.tree.find('restarting a worker').map(({ delayMs }) => delayMs);
    expect(delays.slice(0, 4)).to.deep.equal([0, 250, 500, 1_000]);
    expect((await toy.get('/whoami')).status).to.equal(200);
    toy.failing(false);
    await until('it serves again', () => toy.tree.find('a worker serves').length === 3, 30_000);
  });

  it('gives up with its own exit code when no worker ever came up', async () => {
    toy = new ToyTree({ workers: 1 }, true);
    const { code } = await toy.tree.exited;
    expect(code).to.equal(71);
    expect(toy.tree.find('a worker failed').length).to.equal(5);
    expect(toy.tree.find('no worker comes up')).to.have.length(1);
    expect(toy.tree.find('redis stopped')).to.have.length(1);
  });

  it('finds a blocked worker by the processor time it burns, and its player goes on at a sibling', async () => {
    await start(2);
    const player = toy.player();
    await until('it plays', () => player.lines.length > 0);
    // A worker that has just begun is given more time.
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    const victim = player.startedBy;
    await toy.block(victim, 20_000);
    const before = cpuMsOf(victim) ?? 0;
    let burnt = 0;
    await until('it is killed', () => {
      const cpuMs = cpuMsOf(victim);
      burnt = Math.max(burnt, (cpuMs ?? 0) - before);
      return cpuMs === null;
    });
    // Not ms of waiting: on a busy machine it gets its processor time more slowly.
    expect(burnt, 'ms of processor time').to.be.lessThan(1_500);
    await until('a sibling plays on', () => player.text.includes('torn'));
    expect(player.ended).to.equal(null);
  });

  it('waits for a worker that is busy between its heartbeats', async () => {
    await start(2);
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    const victim = Number((await toy.get('/whoami')).body);
    for (let n = 0; n < 3; n += 1) await toy.block(victim, 330);
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(toy.tree.find('killing')).to.deep.equal([]);
  });

  it('ends in order by SIGTERM: sockets with FIN, Redis last, exit 0, no process left', async () => {
    await start(2);
    const workers = toy.tree.children();
    const player = toy.player();
    await until('it plays', () => player.lines.length > 0);
    const begun = Date.now();
    toy.tree.signal('SIGTERM');
    expect(await toy.tree.exited).to.deep.equal({ code: 0, signal: null });
    expect(Date.now() - begun).to.be.lessThan(3_000);
    await until('the player sees the end', () => player.ended !== null);
    expect(player.ended).to.equal('fin');
    expect(workers.filter(isAlive)).to.deep.equal([]);
    expect(toy.tree.lines.at(-1)).to.include({ message: 'redis stopped' });
    expect(toy.tree.find('a worker is gone').map(({ expected }) => expected)).to.deep.equal([
      true,
      true,
    ]);
  });

  it('ends in time when a worker hangs', async () => {
    const timeoutMs = 4_000;
    await start(2, timeoutMs);
    const [first] = toy.tree.children();
    const player = toy.player();
    await until('it plays', () => player.lines.length > 0);
    await toy.block(Number(first), 20_000);
    const begun = Date.now();
    toy.tree.signal('SIGINT');
    expect(await toy.tree.exited).to.deep.equal({ code: 0, signal: null });
    expect(Date.now() - begun).to.be.lessThan(timeoutMs);
    expect(isAlive(Number(first))).to.equal(false);
    await until('the player sees the end', () => player.ended !== null);
    expect(player.ended).to.equal('fin');
  });

  it('ends at once by a second signal', async () => {
    // Not a worker that hangs: that is killed soon, and the stop then ends in order before the second signal.
    toy = await ToyTree.start({ workers: 1, shutdownTimeoutMs: 30_000 }, { TOY_DRAIN_MS: '20000' });
    const [worker] = toy.tree.children();
    toy.tree.signal('SIGTERM');
    await new Promise((resolve) => setTimeout(resolve, 700));
    const begun = Date.now();
    toy.tree.signal('SIGTERM');
    expect((await toy.tree.exited).code).to.equal(143);
    expect(Date.now() - begun).to.be.lessThan(1_000);
    await until('the worker is dead', () => !isAlive(Number(worker)));
  });

  it('leaves no worker behind when it is killed itself', async () => {
    await start(2);
    const workers = toy.tree.children();
    toy.tree.signal('SIGKILL');
    await until('the workers end', () => !workers.some(isAlive));
  });

  it('does not obey a signal that is sent to a worker', async () => {
    await start(1);
    const [worker] = toy.tree.children();
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.kill(Number(worker), signal);
    }
    expect(Number((await toy.get('/whoami')).body)).to.equal(worker);
  });

  it('stops a reload at a new worker that fails, and the old ones stay', async () => {
    await start(2);
    const old = toy.tree.children();
    const player = toy.player();
    await until('it plays', () => player.lines.length > 0);
    toy.failing(true);
    toy.tree.signal('SIGHUP');
    await toy.tree.line('a new worker did not start');
    expect(toy.tree.children()).to.have.members(old);
    expect((await toy.get('/whoami')).status).to.equal(200);
    expect(player.ended).to.equal(null);
    toy.failing(false);
    toy.tree.signal('SIGHUP');
    await toy.tree.line('reloaded', 30_000);
    expect(toy.tree.children()).to.not.have.any.members(old);
  });

  it('takes a new number of workers from a reload', async () => {
    await start(1);
    toy.settings({ workers: 3 });
    toy.tree.signal('SIGHUP');
    await toy.tree.line('reloaded', 30_000);
    await until('three are there', () => toy.tree.children().length === 3, 30_000);
    await until('all serve', async () => (await toy.statuses()).length === 3);
    toy.settings({ workers: 1 });
    toy.tree.signal('SIGHUP');
    await until('one is left', () => toy.tree.children().length === 1, 30_000);
  });

  it('does not kill its workers after it was stopped itself', async () => {
    await start(2);
    toy.tree.signal('SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    toy.tree.signal('SIGCONT');
    expect((await toy.get('/whoami')).status).to.equal(200);
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    expect(toy.tree.find('killing')).to.deep.equal([]);
  });

  it('says that the port is taken, and exits with 1', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await until('the port is taken', () => other.listening);
    const { port } = other.address() as AddressInfo;
    try {
      toy = new ToyTree({ workers: 1, port });
      expect((await toy.tree.exited).code).to.equal(1);
      expect(toy.tree.find(`cannot listen on 127.0.0.1:${String(port)}`)).to.have.length(1);
    } finally {
      other.close();
    }
  });
});
