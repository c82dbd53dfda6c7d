import { expect } from 'chai';
import type { WorkerId } from '../../../src/shared/ids.js';
import type { ChannelHandlers } from '../../../src/shared/redis/event-bus.js';
import { FailureShare } from '../../../src/worker/access/failure-share.js';

/** Redis as far as messages go: everybody hears everything, its own words too. */
class Air {
  away = false;
  readonly handlers: ChannelHandlers[] = [];
  readonly subscribe = (_channel: string, handlers: ChannelHandlers): (() => void) => {
    this.handlers.push(handlers);
    return () => undefined;
  };
  readonly publish = (_channel: string, text: string): Promise<unknown> => {
    if (this.away) return Promise.reject(new Error('Connection is closed.'));
    for (const { onMessage } of this.handlers) onMessage(text);
    return Promise.resolve();
  };
}

describe('FailureShare', () => {
  let air: Air;
  let heard: string[];
  const worker = (name: string): FailureShare =>
    new FailureShare({
      ...{ worker: name as WorkerId, channel: 'c', bus: air, publish: air.publish },
      onHeard: (host) => heard.push(`${name} ${host}`),
    });
  beforeEach(() => {
    air = new Air();
    heard = [];
  });

  it('tells all workers but the one that tells', () => {
    const [first] = [worker('a'), worker('b'), worker('c')];
    first.tell('192.0.2.1');
    expect(heard).to.deep.equal(['b 192.0.2.1', 'c 192.0.2.1']);
  });

  it('does without the others while Redis is away', async () => {
    const first = worker('a');
    air.away = true;
    first.tell('192.0.2.1');
    await new Promise(setImmediate);
    expect(heard).to.deep.equal([]);
  });

  it('hears nothing in what is no message of a worker', () => {
    worker('a');
    const host = 'x'.repeat(65);
    for (const text of ['', 'null', '7', '"host"', '{}', '{"host":7}', JSON.stringify({ host })]) {
      void air.publish('c', text);
    }
    expect(heard).to.deep.equal([]);
  });
});
