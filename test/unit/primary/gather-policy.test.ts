import { expect } from 'chai';
import fc from 'fast-check';
import {
  planGather,
  type GatherWorker,
  type Move,
  type Share,
} from '../../../src/primary/gather-policy.js';
import type { StreamId } from '../../../src/shared/ids.js';

const stream = (n: number): StreamId => String(n).padStart(40, '0') as StreamId;

interface World {
  readonly shares: Share[];
  readonly workers: GatherWorker[];
}

const worlds: fc.Arbitrary<World> = fc
  .record({
    workers: fc.integer({ min: 1, max: 5 }),
    cells: fc.array(fc.tuple(fc.nat(4), fc.nat(4), fc.integer({ min: 1, max: 60 })), {
      maxLength: 15,
    }),
    owners: fc.array(fc.nat(6), { minLength: 5, maxLength: 5 }),
    others: fc.array(fc.nat(20), { minLength: 5, maxLength: 5 }),
  })
  .map(({ workers: count, cells, owners, others }) => {
    const unique = new Map(cells.map((cell) => [`${cell[0]} ${cell[1] % count}`, cell]));
    const shares = [...unique.values()].map(([s, worker, clients]) => ({
      stream: stream(s),
      worker: worker % count,
      clients,
    }));
    const workers = Array.from({ length: count }, (_, pid) => ({
      pid,
      connections: sum(shares.filter(({ worker }) => worker === pid)) + (others[pid] ?? 0),
      owned: new Set(owners.flatMap((owner, s) => (owner === pid ? [stream(s)] : []))),
    }));
    return { shares, workers };
  });

function sum(shares: readonly Share[]): number {
  return shares.reduce((total, { clients }) => total + clients, 0);
}

/** The world after the moves were carried out. */
function after({ shares, workers }: World, moves: readonly Move[]): World {
  const moved = shares.map((share) => {
    const move = moves.find(({ stream: s, from }) => s === share.stream && from === share.worker);
    return { share, worker: move?.to ?? share.worker };
  });
  const merged = new Map<string, Share>();
  for (const { share, worker } of moved) {
    const name = `${share.stream} ${String(worker)}`;
    const clients = (merged.get(name)?.clients ?? 0) + share.clients;
    merged.set(name, { stream: share.stream, worker, clients });
  }
  const count = (pid: number): number =>
    sum(moved.flatMap(({ share, worker }) => (worker === pid ? [share] : [])));
  return {
    shares: [...merged.values()],
    workers: workers.map((each) => ({
      ...each,
      connections:
        each.connections -
        sum(shares.filter(({ worker }) => worker === each.pid)) +
        count(each.pid),
    })),
  };
}

describe('planGather', () => {
  const owner: GatherWorker = { pid: 1, connections: 3, owned: new Set([stream(1)]) };
  const follower: GatherWorker = { pid: 2, connections: 2, owned: new Set() };
  const shares: Share[] = [
    { stream: stream(1), worker: 1, clients: 3 },
    { stream: stream(1), worker: 2, clients: 2 },
  ];

  it('brings the clients of a follower to the owner', () => {
    expect(planGather(shares, [owner, follower], 50)).to.deep.equal([
      { stream: stream(1), from: 2, to: 1 },
    ]);
  });

  it('brings them to where most are when another host owns the stream', () => {
    const here = { ...owner, owned: new Set<StreamId>() };
    expect(planGather(shares, [here, follower], 50)).to.deep.equal([
      { stream: stream(1), from: 2, to: 1 },
    ]);
  });

  it('leaves the clients of a popular stream on all workers', () => {
    const many = shares.map((share) => ({ ...share, clients: 500 }));
    const workers = [owner, follower].map((each) => ({ ...each, connections: 500 }));
    expect(planGather(many, workers, 50)).to.deep.equal([]);
  });

  it('moves nobody when it is switched off', () => {
    fc.assert(
      fc.property(worlds, (world) => {
        expect(planGather(world.shares, world.workers, 0)).to.deep.equal([]);
      }),
    );
  });

  it('has nothing left to move once its plan was carried out', () => {
    fc.assert(
      fc.property(worlds, fc.integer({ min: 1, max: 100 }), (world, limit) => {
        let now = world;
        // A stream that nobody here owns may find another place when its shares merge.
        for (let round = 0; round < 10; round++) {
          now = after(now, planGather(now.shares, now.workers, limit));
        }
        expect(planGather(now.shares, now.workers, limit)).to.deep.equal([]);
      }),
      { numRuns: 500 },
    );
  });

  it('never makes one worker exceed the one that gives by more than the limit', () => {
    fc.assert(
      fc.property(worlds, fc.integer({ min: 1, max: 100 }), (world, limit) => {
        let now = world;
        for (const move of planGather(world.shares, world.workers, limit)) {
          now = after(now, [move]);
          const at = (pid: number): number =>
            now.workers.find((each) => each.pid === pid)?.connections ?? 0;
          expect(at(move.to) - at(move.from)).to.be.at.most(limit);
        }
      }),
      { numRuns: 500 },
    );
  });
});
