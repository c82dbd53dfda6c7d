import { expect } from 'chai';
import { systemClock } from '../../../src/shared/clock.js';
import { AppError } from '../../../src/shared/errors.js';
import type { ClientId } from '../../../src/shared/ids.js';
import { silentLogger } from '../../helpers/silent-logger.js';
import { UserPlaces, type UserPolicy } from '../../../src/worker/stream/user-places.js';
import { HandClock } from '../../helpers/client-wire.js';
import { until } from '../../helpers/until.js';

const clientOf = (n: number) => ({ client: String(n) as ClientId, user: 'anna' });

/** The script's behaviour for one user, without time. */
class FakeStore {
  readonly held = new Set<ClientId>();
  away = false;
  answers = true;

  takePlace = (_user: string, client: ClientId, { limit }: { limit: number }): Promise<boolean> => {
    if (this.away) return Promise.reject(new Error('Connection is closed.'));
    if (!this.held.has(client) && this.held.size >= limit) return Promise.resolve(false);
    this.held.add(client);
    if (!this.answers) return Promise.reject(new Error('Connection is closed.'));
    return Promise.resolve(true);
  };
  givePlace = (_user: string, client: ClientId): Promise<void> => {
    if (this.away) return Promise.reject(new Error('Connection is closed.'));
    this.held.delete(client);
    return Promise.resolve();
  };
}

describe('The places of users', () => {
  let store: FakeStore;
  let clock: HandClock;
  let limit: number | null;
  let lost: string[];
  let places: UserPlaces;
  const policy: UserPolicy = { limitOf: () => limit, refresh: () => Promise.resolve() };

  beforeEach(() => {
    store = new FakeStore();
    clock = new HandClock();
    limit = 1;
    lost = [];
    places = new UserPlaces({
      ...{ store, policy, clock, logger: silentLogger },
      onLost: (client, reason) => lost.push(`${client} ${reason}`),
    });
  });

  const codeOf = (taking: Promise<void>): Promise<string> =>
    taking.then(
      () => 'ok',
      (error: unknown) => (error instanceof AppError ? error.code : String(error)),
    );

  it('are asked for by nobody without a user or a limit', async () => {
    limit = 0;
    await places.take(clientOf(1));
    await places.take(clientOf(2));
    await places.take({ client: '3' as ClientId, user: null });
    await places.renew();
    expect([store.held.size, places.count, lost]).to.deep.equal([0, 2, []]);
  });

  it('are refused when all are taken, after some patience', async () => {
    await places.take(clientOf(1));
    const told = codeOf(places.take(clientOf(2)));
    clock.pass(2_000);
    expect(await told).to.equal('USER_LIMIT');
    expect([...store.held]).to.deep.equal(['1']);
    expect(places.count).to.equal(1);
  });

  it('are waited for while a player changes the channel', async () => {
    await places.take(clientOf(1));
    const told = codeOf(places.take(clientOf(2)));
    places.give('1' as ClientId);
    expect(await told).to.equal('ok');
    expect([...store.held]).to.deep.equal(['2']);
  });

  it('are given up by a socket that stalls, and asked for again when it goes on', async () => {
    let stalledMs = 3_999;
    await places.take(clientOf(1));
    places.watch('1' as ClientId, () => stalledMs);
    await places.renew();
    expect(store.held.size).to.equal(1);
    stalledMs = 4_000;
    await places.renew();
    expect(store.held.size).to.equal(0);
    stalledMs = 0;
    await places.renew();
    expect([...store.held]).to.deep.equal(['1']);
    expect(lost).to.deep.equal([]);
  });

  it('are lost to who took them meanwhile', async () => {
    let stalledMs = 5_000;
    await places.take(clientOf(1));
    places.watch('1' as ClientId, () => stalledMs);
    await places.renew();
    await places.take(clientOf(2));
    stalledMs = 0;
    await places.renew();
    expect(lost).to.deep.equal(['1 user limit']);
    expect([...store.held]).to.deep.equal(['2']);
  });

  it('come back by themselves when Redis comes back empty', async () => {
    await places.take(clientOf(1));
    store.away = true;
    await places.renew();
    store.away = false;
    store.held.clear();
    await places.renew();
    expect([...store.held]).to.deep.equal(['1']);
    expect(lost).to.deep.equal([]);
  });

  it('tell that Redis is away, and take a client that is held without it', async () => {
    store.away = true;
    expect(await codeOf(places.take(clientOf(1)))).to.include('Connection is closed');
    places.hold(clientOf(1));
    store.away = false;
    await places.renew();
    expect([...store.held]).to.deep.equal(['1']);
  });

  it('are given back to a Redis that was away, before somebody is refused for it', async () => {
    await places.take(clientOf(1));
    store.away = true;
    places.give('1' as ClientId);
    await places.renew();
    store.away = false;
    await places.take(clientOf(2));
    expect([...store.held]).to.deep.equal(['2']);
    store.away = true;
    places.give('2' as ClientId);
    await places.renew();
    store.away = false;
    await places.renew();
    expect(store.held.size).to.equal(0);
  });

  it('are given back that Redis gave without an answer, unless they are asked for again', async () => {
    for (const asksAgain of [true, false]) {
      store.answers = false;
      expect(await codeOf(places.take(clientOf(1)))).to.include('Connection is closed');
      expect([...store.held]).to.deep.equal(['1']);
      store.answers = true;
      if (asksAgain) await places.take(clientOf(1));
      await places.renew();
      expect([...store.held]).to.deep.equal(asksAgain ? ['1'] : []);
      places.give('1' as ClientId);
    }
  });

  it('are refused while Redis is away to who has them all in this worker', async () => {
    limit = 2;
    let stalledMs = 0;
    await places.take(clientOf(1));
    await places.take(clientOf(2));
    places.watch('2' as ClientId, () => stalledMs);
    store.away = true;
    const told = codeOf(places.take(clientOf(3)));
    clock.pass(2_000);
    expect(await told).to.equal('USER_LIMIT');
    const other = { client: '4' as ClientId, user: 'bert' };
    expect(await codeOf(places.take(other))).to.include('Connection is closed');
    stalledMs = 4_000;
    expect(await codeOf(places.take(clientOf(3)))).to.include('Connection is closed');
  });

  it('end with the user, whether there is a limit or not', async () => {
    limit = 0;
    await places.take(clientOf(1));
    limit = null;
    await places.renew();
    expect(lost).to.deep.equal(['1 access ended']);
    expect(await codeOf(places.take(clientOf(2)))).to.equal('TOKEN_REFUSED');
  });

  it('move with a client to another worker', async () => {
    await places.take(clientOf(1));
    places.forget('1' as ClientId);
    await places.renew();
    expect([[...store.held], places.count]).to.deep.equal([['1'], 0]);
  });

  it('are renewed by a timer until the end', async () => {
    const real = new UserPlaces({
      ...{ store, policy, clock: { ...fast() }, logger: silentLogger, onLost: () => undefined },
    });
    real.start();
    real.hold(clientOf(1));
    await until('it was asked for', () => store.held.size === 1);
    real.stop();
  });
});

/** Intervals of a millisecond. */
function fast() {
  return {
    now: () => systemClock.now(),
    monotonic: () => systemClock.monotonic(),
    setTimeout: (run: () => void) => systemClock.setTimeout(run, 1),
    setInterval: (run: () => void) => systemClock.setInterval(run, 1),
  };
}
