import { expect } from 'chai';
import type { Player } from './player.js';

/** What a player got is whole: nothing lost, nothing twice, no cut packet. */
export function expectWhole(players: readonly Player[]): void {
  for (const player of players) {
    const { lost, duplicated, reordered, misaligned } = player.report();
    expect({ lost, duplicated, reordered, misaligned }).to.deep.equal({
      ...{ lost: 0, duplicated: 0, reordered: 0, misaligned: 0 },
    });
  }
}

/** Every player gets media again, on the connection that it has. */
export async function untilAllGoOn(players: readonly Player[], ms: number): Promise<void> {
  await Promise.all(players.map((player) => player.untilMore(400_000, ms)));
  expect(
    players.filter(({ closed }) => closed),
    'players whose connection ended',
  ).to.deep.equal([]);
}
