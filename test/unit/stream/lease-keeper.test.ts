import { expect } from 'chai';
import { systemClock } from '../../../src/shared/clock.js';
import type { ClientId } from '../../../src/shared/ids.js';
import { silentLogger } from '../../helpers/silent-logger.js';
import type {
  ClientPulse,
  ClientStore,
  JoinAnswer,
} from '../../../src/shared/redis/client-store.js';
import { LeaseKeeper } from '../../../src/worker/stream/lease-keeper.js';
import { UserPlaces } from '../../../src/worker/stream/user-places.js';
import { HandClock, IDENTITY } from '../../helpers/client-wire.js';
import { testSettings } from '../../helpers/settings.js';
import { until } from '../../helpers/until.js';

const away = new Error('Connection is closed.');

/** Nobody has a limit. */
const noPlaces = new UserPlaces({
  store: { takePlace: () => Promise.resolve(true), givePlace: () => Promise.resolve() },
  policy: { limitOf: () => 0, refresh: () => Promise.resolve() },
  ...{ clock: systemClock, logger: silentLogger, onLost: () => undefined },
});

class FakeStore {
  admitted = true;
  away = false;
  asked: ClientId[] = [];
  left: ClientId[] = [];
  pulses: (readonly ClientPulse[])[] = [];
  /** Clients that each sign of life told of. */
  beats: number[] = [];

  admit = (): Promise<boolean> => Promise.resolve(this.admitted);
  join = (): Promise<JoinAnswer> => this.#answer({ joined: true, owner: '', term: 0 });
  leave = (_stream: string, client: ClientId): Promise<number> => {
    this.left.push(client);
    return this.#answer(0);
  };
  pulse = (pulses: readonly ClientPulse[]): Promise<void> => {
    this.pulses.push(pulses);
    return this.#answer(undefined);
  };
  beat = ({ clients }: { clients: number }): Promise<void> => {
    this.beats.push(clients);
    return this.#answer(undefined);
  };
  askedToLeave = (): Promise<ClientId[]> => Promise.resolve(this.asked);
  forgetWorker = (): Promise<void> => Promise.resolve();

  #answer<T>(value: T): Promise<T> {
    return this.away ? Promise.reject(away) : Promise.resolve(value);
  }
}

describe('the lease keeper', () => {
  let store: FakeStore;
  let clock: HandClock;
  let keeper: LeaseKeeper;
  let kicked: ClientId[];
  const make = (maxClients = 0): void => {
    keeper = new LeaseKeeper({
      store: store as unknown as ClientStore,
      settings: testSettings({ maxClients }),
      clock,
      logger: silentLogger,
      places: noPlaces,
      onAskedToLeave: (client) => kicked.push(client),
      vitals: () => ({}),
    });
  };
  beforeEach(() => {
    store = new FakeStore();
    clock = new HandClock();
    kicked = [];
    make();
  });

  it('writes with each pulse what the socket took since', async () => {
    await keeper.join(IDENTITY);
    let bytes = 0;
    keeper.watch(IDENTITY.client, () => ({ bytes, chunks: 4, skips: 0, behindMs: null }));
    await keeper.pulseNow();
    clock.pass(2_000);
    bytes = 6_000;
    await keeper.pulseNow();
    clock.pass(1_000);
    await keeper.pulseNow();
    const seen = store.pulses.map(([pulse]) => [
      pulse?.bytesSent,
      pulse?.currentRate,
      pulse?.lastActive,
    ]);
    // The clock began at 1,000: activity stands still when nothing was taken.
    expect(seen).to.deep.equal([
      [0, 0, 1_000],
      [6_000, 3, 3_000],
      [6_000, 0, 3_000],
    ]);
  });

  it('forgets who left, and does not pulse for who was handed over', async () => {
    await keeper.join(IDENTITY);
    keeper.leave(IDENTITY);
    await keeper.pulseNow();
    await keeper.join(IDENTITY);
    keeper.release(IDENTITY.client);
    await keeper.pulseNow();
    expect(store.pulses).to.deep.equal([]);
    expect(store.beats).to.deep.equal([0, 0]);
    expect(store.left).to.deep.equal([IDENTITY.client]);
  });

  it('takes leave again when Redis was away, unless the client has come back', async () => {
    keeper = new LeaseKeeper({
      store: store as unknown as ClientStore,
      settings: testSettings(),
      clock: systemClock,
      logger: silentLogger,
      places: noPlaces,
      onAskedToLeave: () => undefined,
      vitals: () => ({}),
    });
    keeper.start();
    await keeper.join(IDENTITY);
    store.away = true;
    keeper.leave(IDENTITY);
    await until('it was tried', () => store.left.length === 1);
    store.away = false;
    await until('it is tried again', () => store.left.length === 2, 3_000);
    store.away = true;
    keeper.leave(IDENTITY);
    keeper.hold(IDENTITY);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    expect(store.left).to.have.length(3);
    await keeper.stop();
  });

  it('asks for admission only where there is a limit', async () => {
    store.admitted = false;
    expect(await keeper.join(IDENTITY)).to.include({ joined: true });
    make(1);
    const told = await keeper.join(IDENTITY).catch((error: unknown) => error);
    expect(told).to.include({ code: 'CLIENT_LIMIT' });
    expect(keeper.count).to.equal(0);
  });

  it('tells which clients were asked to leave', async () => {
    await keeper.join(IDENTITY);
    store.asked = [IDENTITY.client];
    await keeper.pulseNow();
    expect(kicked).to.deep.equal([IDENTITY.client]);
  });

  it('renews many in parts, and does not put back who leaves between two of them', async () => {
    const clients = Array.from({ length: 250 }, (_, n) => `c${String(n)}` as ClientId);
    for (const client of clients) keeper.hold({ ...IDENTITY, client });
    const pulsing = keeper.pulseNow();
    for (const client of clients.slice(240)) keeper.leave({ ...IDENTITY, client });
    await pulsing;
    expect(store.pulses.map(({ length }) => length)).to.deep.equal([100, 100, 40]);
    expect(store.pulses.flat().map(({ client }) => client)).to.deep.equal(clients.slice(0, 240));
    expect(store.beats).to.deep.equal([240]);
  });

  it('makes itself known within a second to a Redis that came back, and only then', async () => {
    await keeper.join(IDENTITY);
    store.away = true;
    keeper.start();
    await until('a pulse was tried', () => store.pulses.length === 1);
    store.away = false;
    await until('it is tried again', () => store.beats.length === 1, 2_000);
    expect(store.pulses.at(-1)?.map(({ client }) => client)).to.deep.equal([IDENTITY.client]);
    await keeper.stop();
  });

  it('survives a Redis that is away', async () => {
    await keeper.join(IDENTITY);
    store.away = true;
    await keeper.pulseNow();
    store.away = false;
    await keeper.pulseNow();
    expect(store.pulses.at(-1)).to.have.length(1);
  });
});
