import { expect } from 'chai';

import { MetricsCollector } from '../../../src/primary/metrics-collector.js';
import type { PrimaryMessage } from '../../../src/shared/ipc/messages.js';
import { FakeClock } from '../../helpers/fake-clock.js';

class FakePeer {
  readonly pid: number;
  readonly sent: PrimaryMessage[] = [];

  constructor(pid: number) {
    this.pid = pid;
  }

  send(message: PrimaryMessage): void {
    this.sent.push(message);
  }
}

describe('MetricsCollector', () => {
  let clock: FakeClock;
  let peers: FakePeer[];
  let collector: MetricsCollector;

  beforeEach(() => {
    clock = new FakeClock();
    peers = [new FakePeer(1), new FakePeer(2)];
    collector = new MetricsCollector({ serving: () => peers, statuses: () => [], clock });
  });
  afterEach(() => clock.restore());

  function answer(peer: FakePeer, registry: unknown): void {
    const asked = peer.sent.findLast(({ type }) => type === 'metrics-collect');
    if (asked?.type !== 'metrics-collect') throw new Error('it was not asked');
    collector.receive(peer, { type: 'metrics', request: asked.request, registry });
  }

  it('answers with the number of the asker when all have answered, once each', () => {
    collector.receive(peers[0]!, { type: 'metrics-ask', request: 42 });
    answer(peers[1]!, 'b');
    answer(peers[1]!, 'b again');
    expect(peers[0]!.sent).to.have.length(1);
    answer(peers[0]!, 'a');
    expect(peers[0]!.sent.at(-1)).to.deep.equal({
      type: 'metrics-result',
      request: 42,
      registries: ['b', 'a'],
      missing: 0,
      workers: [],
    });
  });

  it('answers after a second without those that are blocked, and drops what they say later', () => {
    collector.receive(peers[0]!, { type: 'metrics-ask', request: 1 });
    answer(peers[0]!, 'a');
    clock.tick(1_000);
    expect(peers[0]!.sent.at(-1)).to.deep.include({ registries: ['a'], missing: 1 });
    answer(peers[1]!, 'late');
    expect(peers[0]!.sent).to.have.length(2);
  });

  it('answers at once when the last one that is missing has died', () => {
    collector.receive(peers[0]!, { type: 'metrics-ask', request: 1 });
    collector.forget(2);
    expect(peers[0]!.sent).to.have.length(1);
    answer(peers[0]!, 'a');
    collector.receive(peers[0]!, { type: 'metrics-ask', request: 2 });
    answer(peers[0]!, 'a');
    collector.forget(2);
    expect(peers[0]!.sent.at(-1)).to.deep.include({ request: 2, registries: ['a'], missing: 1 });
  });

  it('forgets the question of a worker that died', () => {
    collector.receive(peers[0]!, { type: 'metrics-ask', request: 1 });
    collector.forget(1);
    clock.tick(1_000);
    expect(peers[0]!.sent).to.have.length(1);
  });
});
