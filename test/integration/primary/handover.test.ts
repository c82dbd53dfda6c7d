import { expect } from 'chai';

import type { RawClient } from '../../helpers/toy-tree.js';
import { ToyTree } from '../../helpers/toy-tree.js';
import { until } from '../../helpers/until.js';

/** True when the lines are the numbers from 1 on, without a gap or a repetition. */
function isUnbroken(lines: readonly string[]): boolean {
  return lines.every((line, index) => line === String(index + 1));
}

/** The numbers after the mark of a crash follow the last report: repeated for 1 s at most, no gap. */
function expectTornOnce(player: RawClient): void {
  const mark = player.lines.indexOf('torn');
  expect(mark).to.be.greaterThan(0);
  const before = player.lines.slice(0, mark);
  const after = player.lines.slice(mark + 1).map(Number);
  expect(isUnbroken(before)).to.equal(true);
  const first = after[0] ?? 0;
  expect(first).to.be.within(before.length - 100, before.length + 1);
  expect(after.every((value, index) => value === first + index)).to.equal(true);
}

describe('handover', () => {
  let toy: ToyTree;

  beforeEach(async () => {
    toy = await ToyTree.start({ workers: 2 });
    await until('both workers serve', () => toy.tree.find('a worker serves').length === 2, 30_000);
  });
  afterEach(() => toy.end());

  async function players(count: number, lines: number): Promise<RawClient[]> {
    const all = Array.from({ length: count }, () => toy.player());
    await until('all play', () => all.every((player) => player.lines.length > lines), 30_000);
    return all;
  }

  it('keeps the ten sockets of a worker that is killed while it writes to them', async () => {
    const all = await players(20, 80);
    const victim = all[0]!.startedBy;
    const hit = all.filter(({ startedBy }) => startedBy === victim);
    expect(hit).to.have.length(10);
    const killedAt = Date.now();
    process.kill(victim, 'SIGKILL');
    await until('all are adopted', () => hit.every(({ lines }) => lines.includes('torn')));
    expect(Date.now() - killedAt).to.be.lessThan(1_000);
    const counts = all.map(({ lines }) => lines.length);
    await until('all go on', () => all.every(({ lines }, at) => lines.length > counts[at]! + 20));
    for (const player of hit) expectTornOnce(player);
    for (const player of all) {
      expect(player.ended).to.equal(null);
      if (!hit.includes(player)) expect(isUnbroken(player.lines)).to.equal(true);
    }
  });

  it('adopts the players of a worker that hangs, and kills it', async () => {
    const [player] = await players(1, 60);
    const pid = player!.startedBy;
    await toy.block(pid, 20_000);
    await until('it is adopted', () => player!.lines.includes('torn'), 30_000);
    // On a busy machine it has begun longer ago before it is given up, and its processor time tells.
    const killed = ['hangs', 'is blocked'].flatMap((why) =>
      toy.tree.find(`killing a worker that ${why}`),
    );
    expect(killed).to.have.length(1);
    expectTornOnce(player!);
    expect(player!.ended).to.equal(null);
  });

  it('adopts the players of a worker that was stopped within a second', async () => {
    const [player] = await players(1, 60);
    process.kill(player!.startedBy, 'SIGSTOP');
    await until('it is adopted', () => player!.lines.includes('torn'), 1_500);
    expect(toy.tree.find('killing a worker that was stopped')).to.have.length(1);
    expectTornOnce(player!);
    expect(player!.ended).to.equal(null);
  });

  it('adopts them even when the only worker dies, once its successor serves', async () => {
    const [one, two] = toy.tree.children();
    const [player] = await players(1, 60);
    for (const pid of [one, two]) process.kill(Number(pid), 'SIGKILL');
    await until('it is adopted', () => player!.lines.includes('torn'), 30_000);
    expect(player!.ended).to.equal(null);
  });

  it('asks a sibling again for what a dead worker had read and not answered', async () => {
    const asked = Array.from({ length: 4 }, () => toy.get('/slow?ms=1500'));
    // Long enough for the workers to have read them, too short for an answer.
    await new Promise((resolve) => setTimeout(resolve, 500));
    const [victim] = toy.tree.children();
    process.kill(Number(victim), 'SIGKILL');
    const answers = await Promise.all(asked);
    expect(answers.map(({ status }) => status)).to.deep.equal([200, 200, 200, 200]);
    expect(answers.map(({ body }) => Number(body))).to.not.include(victim);
  });

  it('closes what a dead worker had half answered, with FIN', async () => {
    const client = toy.socket('GET /half HTTP/1.1\r\nHost: toy\r\n\r\n');
    await until('it is answered', () => client.text.includes('half'));
    const asleep = client.ended;
    for (const pid of toy.tree.children()) process.kill(pid, 'SIGKILL');
    await until('it ends', () => client.ended !== null);
    expect([asleep, client.ended]).to.deep.equal([null, 'fin']);
    expect(client.text.match(/HTTP\/1\.1/g)).to.have.length(1);
  });

  it('deals a connection again that its dead worker had not read from', async () => {
    const client = toy.socket('');
    await until('it is open', () => client.socket.readyState === 'open');
    const all = toy.tree.children();
    process.kill(all[0]!, 'SIGKILL');
    process.kill(all[1]!, 'SIGKILL');
    await until('both are gone', () => toy.tree.find('a worker is gone').length === 2);
    client.socket.write('GET /whoami HTTP/1.1\r\nHost: toy\r\n\r\n');
    await until('it is answered', () => client.text.includes('200 OK'), 30_000);
  });

  it('replaces all workers by SIGHUP without a gap or a repetition for any player', async () => {
    const old = toy.tree.children();
    const all = await players(20, 5);
    const idle = toy.socket('');
    toy.tree.signal('SIGHUP');
    await toy.tree.line('reloaded', 30_000);
    const now = toy.tree.children();
    expect(now).to.have.length(2);
    expect(now.filter((pid) => old.includes(pid))).to.deep.equal([]);
    const counts = all.map(({ lines }) => lines.length);
    await until('all go on', () => all.every(({ lines }, at) => lines.length > counts[at]! + 20));
    expect(all.map(({ lines }) => isUnbroken(lines))).to.deep.equal(all.map(() => true));
    expect(all.map(({ ended }) => ended)).to.deep.equal(all.map(() => null));
    idle.socket.write('GET /whoami HTTP/1.1\r\nHost: toy\r\n\r\n');
    await until('the idle one is served too', () => idle.text.includes('200 OK'));
  });

  it('loses no connection that comes while the workers are replaced', async () => {
    let over = false;
    const reload = async (): Promise<void> => {
      toy.tree.signal('SIGHUP');
      await toy.tree.line('reloaded', 30_000);
      over = true;
    };
    const ask = async (): Promise<number> => {
      let asked = 0;
      while (!over) {
        expect((await toy.get('/whoami')).status).to.equal(200);
        asked += 1;
      }
      return asked;
    };
    const [, ...asked] = await Promise.all([reload(), ...Array.from({ length: 10 }, () => ask())]);
    expect(Math.min(...asked)).to.be.greaterThan(10);
  });

  it('answers a storm of connections although a worker is killed in the middle of it', async () => {
    const answers = Array.from({ length: 500 }, () => toy.get('/slow?ms=50'));
    await Promise.race(answers);
    process.kill(toy.tree.children()[0]!, 'SIGKILL');
    const results = await Promise.allSettled(answers);
    const lost = results.filter(
      (result) => result.status === 'rejected' || result.value.status !== 200,
    );
    // The one whose answer had begun in that microsecond cannot be asked again.
    expect(lost).to.have.length.at.most(1);
  });
});
