import { expect } from 'chai';
import { AppError } from '../../../src/shared/errors.js';
import { MovedError, WaitingRoom } from '../../../src/worker/stream/waiting-room.js';
import { clientNamed } from '../../helpers/scripted-redis.js';

describe('the waiting room', () => {
  it('lets all in at once, and keeps nobody', async () => {
    const room = new WaitingRoom();
    const { signal } = new AbortController();
    const waits = [1, 2, 3].map((n) => room.wait(clientNamed(n), signal));
    expect(room.size).to.equal(3);
    room.admitAll();
    await Promise.all(waits);
    expect(room.size).to.equal(0);
  });

  it('tells all the same reason, and who comes later waits anew', async () => {
    const room = new WaitingRoom();
    const { signal } = new AbortController();
    const told = [1, 2].map((n) =>
      room.wait(clientNamed(n), signal).catch((error: unknown) => error),
    );
    const reason = new AppError('NO_ENGINE');
    room.rejectAll(reason);
    expect(await Promise.all(told)).to.deep.equal([reason, reason]);
    const later = room.wait(clientNamed(3), signal);
    expect(room.size).to.equal(1);
    room.admitAll();
    await later;
  });

  it('passes on what is no answer as it is: the request moves to another worker', async () => {
    const room = new WaitingRoom();
    const told = room
      .wait(clientNamed(1), new AbortController().signal)
      .catch((error: unknown) => error);
    room.rejectAll(new MovedError());
    expect(await told).to.be.instanceOf(MovedError);
  });

  it('forgets who leaves while waiting', async () => {
    const room = new WaitingRoom();
    const gone = new AbortController();
    const told = room.wait(clientNamed(1), gone.signal).catch((error: unknown) => error);
    const reason = new Error('left');
    gone.abort(reason);
    expect(await told).to.equal(reason);
    expect(room.size).to.equal(0);
    room.admitAll();
  });
});
