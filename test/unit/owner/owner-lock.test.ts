import { expect } from 'chai';
import type { StreamId } from '../../../src/shared/ids.js';
import { silentLogger } from '../../helpers/silent-logger.js';
import type { OwnerStore, RenewAnswer } from '../../../src/shared/redis/owner-store.js';
import { OwnerLock } from '../../../src/worker/owner/owner-lock.js';
import { FakeClock } from '../../helpers/fake-clock.js';

const LOCK_MS = 6_000;
const RENEWED: RenewAnswer = {
  outcome: 'renewed',
  clients: 1,
  lastDisconnect: null,
  stopRequest: null,
};

describe('the lease of an owner', () => {
  let clock: FakeClock;
  let lease: OwnerLock;
  let calls: string[];
  let renew: () => Promise<RenewAnswer>;
  let restored: boolean;
  let troubled: boolean;
  const tick = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 50) {
      clock.tick(50);
      for (let n = 0; n < 5; n++) await Promise.resolve();
    }
  };
  const heard = (what: string) => (): void => void calls.push(what);

  beforeEach(() => {
    clock = new FakeClock();
    calls = [];
    restored = true;
    troubled = false;
    renew = () => Promise.resolve(RENEWED);
    makeLease(LOCK_MS);
  });
  afterEach(() => {
    lease.stop();
    clock.restore();
  });

  function makeLease(lockMs: number): void {
    const store = {
      renew: () => renew(),
      restore: () => Promise.resolve(restored),
    };
    lease = new OwnerLock({
      ownership: { stream: 'a'.repeat(40) as StreamId, term: 1, life: '1' },
      store: store as unknown as OwnerStore,
      lockMs,
      clock,
      logger: silentLogger,
      troubled: () => troubled,
      pulse: () => ({}),
      wholeMetadata: () => ({}),
      onRenewed: heard('renewed'),
      onDoubt: heard('doubt'),
      onRestored: heard('restored'),
      onLost: heard('lost'),
    });
    lease.start();
  }

  it('is renewed every second', async () => {
    await tick(3_000);
    expect(calls).to.deep.equal(['renewed', 'renewed', 'renewed']);
  });

  it('is renewed twice as often while somebody waits for it', async () => {
    troubled = true;
    await tick(2_000);
    expect(calls).to.deep.equal(['renewed', 'renewed', 'renewed', 'renewed']);
    troubled = false;
    await tick(2_000);
    expect(calls).to.have.length(6);
  });

  it('is tried again after half a second when it could not be renewed', async () => {
    const sentAt: number[] = [];
    renew = () => {
      sentAt.push(clock.monotonic());
      return Promise.reject(new Error('Connection is closed.'));
    };
    await tick(2_500);
    const [first = 0] = sentAt;
    expect(sentAt.map((at) => at - first)).to.deep.equal([0, 500, 1_000, 1_500]);
  });

  it('is renewed at a third of a short life', async () => {
    lease.stop();
    makeLease(1_500);
    await tick(3_000);
    expect(calls).to.have.length(6);
  });

  it('is in doubt, once, when it could not be renewed before the lock ends by our own clock', async () => {
    renew = () => Promise.reject(new Error('Command timed out'));
    await tick(LOCK_MS * 0.9 - 500);
    expect(calls).to.deep.equal([]);
    await tick(LOCK_MS * 2);
    expect(calls).to.deep.equal(['doubt']);
    renew = () => Promise.resolve(RENEWED);
    await tick(500);
    expect(calls).to.deep.equal(['doubt', 'renewed']);
  });

  it('counts from when a renewal was sent, not from when it was answered', async () => {
    let answer: (value: RenewAnswer) => void = () => undefined;
    renew = () => new Promise((resolve) => (answer = resolve));
    await tick(3_000);
    answer(RENEWED);
    renew = () => Promise.reject(new Error('Command timed out'));
    // Sent after a second: in doubt at 1,000 + 5,400, looked at every 500.
    await tick(3_000);
    expect(calls).to.deep.equal(['renewed']);
    await tick(500);
    expect(calls).to.deep.equal(['renewed', 'doubt']);
  });

  it('puts the stream back into a Redis that came back empty', async () => {
    renew = () => Promise.resolve({ outcome: 'gone' });
    await tick(1_000);
    expect(calls).to.deep.equal(['restored']);
  });

  it("ends when it is another's, after which nothing is asked any more", async () => {
    renew = () => Promise.resolve({ outcome: 'lost' });
    await tick(2_000);
    expect(calls).to.deep.equal(['lost']);
  });

  it('ends when another won while Redis was empty', async () => {
    renew = () => Promise.resolve({ outcome: 'gone' });
    restored = false;
    await tick(2_000);
    expect(calls).to.deep.equal(['lost']);
  });

  it('drops an answer that comes after its end', async () => {
    let answer: (value: RenewAnswer) => void = () => undefined;
    renew = () => new Promise((resolve) => (answer = resolve));
    await tick(1_000);
    lease.stop();
    answer({ outcome: 'lost' });
    await tick(500);
    expect(calls).to.deep.equal([]);
  });

  it('asks once more when it was told of something while it asked', async () => {
    const answers: ((value: RenewAnswer) => void)[] = [];
    renew = () => new Promise((resolve) => answers.push(resolve));
    lease.renewNow();
    lease.renewNow();
    lease.renewNow();
    expect(answers).to.have.length(1);
    answers[0]?.(RENEWED);
    for (let n = 0; n < 10; n++) await Promise.resolve();
    expect(answers).to.have.length(2);
    answers[1]?.(RENEWED);
    for (let n = 0; n < 10; n++) await Promise.resolve();
    expect(answers).to.have.length(2);
  });

  it('asks one thing at a time', async () => {
    let asked = 0;
    renew = () => {
      asked++;
      return new Promise(() => undefined);
    };
    for (let n = 0; n < 5; n++) lease.renewNow();
    await tick(3_000);
    expect(asked).to.equal(1);
  });
});
