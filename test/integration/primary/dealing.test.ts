import { execFileSync } from 'node:child_process';
import { expect } from 'chai';

import { openSockets } from '../../helpers/leaks.js';
import { ToyTree } from '../../helpers/toy-tree.js';
import { until } from '../../helpers/until.js';

describe('dealing', () => {
  let toy: ToyTree;

  beforeEach(async () => {
    toy = await ToyTree.start({ workers: 2 });
    await until('both workers serve', () => toy.tree.find('a worker serves').length === 2, 30_000);
  });
  afterEach(() => toy.end());

  it('tells pm2 that it is ready once a worker serves and the port is open', () => {
    expect(toy.tree.messages).to.deep.equal(['ready']);
    const order = toy.tree.lines.map(({ message }) => message);
    expect(order.indexOf('a worker serves')).to.be.lessThan(order.indexOf('listening'));
  });

  it('shares connections evenly, and takes turns among equals', async () => {
    const players = Array.from({ length: 10 }, () => toy.player());
    await until('all play', () => players.every((player) => player.lines.length > 0));
    const shares = new Map<number, number>();
    for (const { startedBy } of players) shares.set(startedBy, (shares.get(startedBy) ?? 0) + 1);
    expect([...shares.values()]).to.deep.equal([5, 5]);
    await until('both have told of their five', async () =>
      (await toy.statuses()).every(({ vitals }) => vitals?.clients === 5),
    );
  });

  it('serves 2,000 connections that come within 2 s, and forgets them afterwards', async () => {
    const before = openSockets(toy.tree.pid);
    const asked = Array.from({ length: 20 }, async (_none, wave) => {
      await new Promise((resolve) => setTimeout(resolve, wave * 80));
      return Promise.all(Array.from({ length: 100 }, () => toy.get('/whoami')));
    });
    const answers = (await Promise.all(asked)).flat();
    expect(answers.every(({ status }) => status === 200)).to.equal(true);
    expect(new Set(answers.map(({ body }) => body)).size).to.equal(2);
    await until('the primary closes its handles', () => openSockets(toy.tree.pid) <= before);
  });

  it('ends a player that leaves in the primary too', async () => {
    const before = openSockets(toy.tree.pid);
    const player = toy.player();
    await until('it plays', () => player.lines.length > 0);
    player.socket.destroy();
    await until('the handle is closed', () => openSockets(toy.tree.pid) <= before);
  });

  it('gathers the metrics of all workers and names the one that is blocked', async () => {
    const all = JSON.parse((await toy.get('/status')).body) as {
      registries: unknown[];
      missing: number;
    };
    expect(all).to.deep.include({ missing: 0 });
    expect(all.registries).to.have.length(2);
    const [stopped, other] = toy.tree.children();
    expect(other).to.be.a('number');
    // As long as a worker may stand still; on a busy machine the scrape can come too late for it.
    await until('a scrape lacks one', async () => {
      await toy.block(Number(stopped), 1_900);
      const answer = await Promise.race([
        toy.get('/status'),
        new Promise<null>((resolve) => setTimeout(resolve, 1_500, null)),
      ]);
      return answer?.body.includes('"missing":1');
    });
  });
});

describe('dealing half a request', () => {
  it('is answered 408, with a server that never listened', async () => {
    const toy = await ToyTree.start({ workers: 1 }, { TOY_HEADERS_MS: '1000' });
    try {
      const client = toy.socket('GET /whoami HTTP/1.1\r\nHo');
      await until('the connection ends', () => client.ended !== null);
      expect(client.head).to.match(/^HTTP\/1\.1 408 /);
      expect(client.ended).to.equal('fin');
    } finally {
      await toy.end();
    }
  });
});

describe('dealing without a worker', () => {
  it('holds a connection until a worker is there', async () => {
    const toy = await ToyTree.start({ workers: 1 });
    try {
      const [pid] = toy.tree.children();
      process.kill(Number(pid), 'SIGKILL');
      await toy.tree.line('a worker is gone');
      const { status, body } = await toy.get('/whoami');
      expect(status).to.equal(200);
      expect(Number(body)).to.not.equal(pid);
    } finally {
      await toy.end();
    }
  });

  it('answers 503 with Retry-After and an error of the catalogue when none comes in time', async () => {
    const toy = await ToyTree.start({ workers: 1 });
    try {
      toy.failing(true);
      process.kill(Number(toy.tree.children()[0]), 'SIGKILL');
      await toy.tree.line('a worker is gone');
      const client = toy.socket('GET /stream HTTP/1.1\r\nHost: toy\r\n\r\n');
      await until('the connection ends', () => client.ended !== null, 30_000);
      expect(client.ended).to.equal('fin');
      expect(client.head).to.match(/^HTTP\/1\.1 503 [^]*\r\nRetry-After: 2\r\n/);
      expect(client.text).to.contain('{"error":{"code":"NO_WORKER"');
    } finally {
      await toy.end();
    }
  });
});

describe('dealing to a worker that has no descriptor left', () => {
  let toy: ToyTree;
  afterEach(() => toy.end());

  async function start(workers: number): Promise<void> {
    toy = await ToyTree.start({ workers });
    await until('they serve', () => toy.tree.find('a worker serves').length === workers, 30_000);
  }

  /** From now on the process can open nothing: its three standard streams are below the limit. */
  function fill(pid: number): void {
    execFileSync('prlimit', ['--pid', String(pid), '--nofile=3:3']);
  }

  it('leads to a sibling, and the worker keeps the players that it has', async () => {
    await start(2);
    const player = toy.player();
    await until('it plays', () => player.lines.length > 0);
    const full = player.startedBy;
    fill(full);
    const answers = await Promise.all(Array.from({ length: 20 }, () => toy.get('/whoami')));
    const other = toy.tree.children().find((pid) => pid !== full);
    expect(new Set(answers.map(({ body }) => body))).to.deep.equal(new Set([String(other)]));
    const { length } = player.lines;
    await until('the player goes on', () => player.lines.length > length + 100);
    expect(player.ended).to.equal(null);
    expect(toy.tree.find('a worker is gone')).to.deep.equal([]);
  });

  it('answers 503 where there is no sibling, and keeps no handle', async () => {
    await start(1);
    const before = openSockets(toy.tree.pid);
    fill(Number(toy.tree.children()[0]));
    const client = toy.socket('GET /whoami HTTP/1.1\r\nHost: toy\r\n\r\n');
    await until('the connection ends', () => client.ended !== null, 30_000);
    expect(client.head).to.match(/^HTTP\/1\.1 503 /);
    expect(client.ended).to.equal('fin');
    await until('the handle is closed', () => openSockets(toy.tree.pid) <= before);
  });
});
