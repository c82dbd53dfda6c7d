import { expect } from 'chai';
import type { StreamId } from '../../../src/shared/ids.js';
import { silentLogger } from '../../helpers/silent-logger.js';
import type { ClientStore } from '../../../src/shared/redis/client-store.js';
import type { OwnerStore } from '../../../src/shared/redis/owner-store.js';
import { OrphanSweeper } from '../../../src/worker/stream/orphan-sweeper.js';
import { FakeClock } from '../../helpers/fake-clock.js';

const STREAM = 'e'.repeat(40) as StreamId;

describe('the sweep for streams that nobody owns', () => {
  let clock: FakeClock;
  beforeEach(() => {
    clock = new FakeClock();
  });
  afterEach(() => clock.restore());

  /** Sweeps once over a stream without owner and clients; tells what was done to it. */
  const sweep = async (
    stop: 'begun' | 'watched' | 'lost',
    served: () => boolean,
  ): Promise<string[]> => {
    const done: string[] = [];
    const note =
      <T>(name: string, answer: T) =>
      (): Promise<T> => {
        done.push(name);
        return Promise.resolve(answer);
      };
    const ownership = { stream: STREAM, term: 2, life: '1' };
    const owners = {
      running: () => Promise.resolve([STREAM]),
      readOwner: () => Promise.resolve({ owner: null, life: '1' }),
      clientCount: () => Promise.resolve(0),
      readMetadata: () => Promise.resolve({}),
      unlist: () => Promise.resolve(),
      acquire: note('acquire', { outcome: 'won', ownership }),
      beginStop: note('stop', stop),
      yieldLock: note('yield', true),
      end: note('end', true),
    };
    const sweeper = new OrphanSweeper({
      owners: owners as unknown as OwnerStore,
      clients: { reap: () => Promise.resolve(0) } as unknown as ClientStore,
      owned: () => [],
      served,
      releaseSlot: () => Promise.resolve(),
      ...{ cleanupMs: 10, clock, logger: silentLogger },
    });
    sweeper.start();
    clock.tick(10);
    await sweeper.stop();
    return done;
  };

  it('ends one that nobody watches', async () => {
    expect(await sweep('begun', () => false)).to.deep.equal(['acquire', 'stop', 'end']);
  });

  it('gives one back that is watched again', async () => {
    expect(await sweep('watched', () => false)).to.deep.equal(['acquire', 'stop', 'yield']);
  });

  it('leaves one alone that a player of this very worker has come for', async () => {
    expect(await sweep('begun', () => true)).to.deep.equal([]);
  });

  it('does not take the lock from this worker when it has won the stream meanwhile', async () => {
    expect(await sweep('lost', () => false)).to.deep.equal(['acquire', 'stop']);
  });
});
