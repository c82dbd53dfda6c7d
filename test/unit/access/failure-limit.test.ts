import { expect } from 'chai';
import { FailureLimit } from '../../../src/worker/access/failure-limit.js';
import { HandClock } from '../../helpers/client-wire.js';

const LIMITS = { burst: 3, forgiveMs: 1_000, maxHosts: 10 };

describe('The limit of failures', () => {
  let clock: HandClock;
  let limit: FailureLimit;
  const fail = (address: string, times: number): void => {
    for (let i = 0; i < times; i += 1) limit.failed(address);
  };
  beforeEach(() => {
    clock = new HandClock();
    limit = new FailureLimit(clock, LIMITS);
  });

  it('blocks an address after its failures, and no other one', () => {
    fail('192.0.2.1', 2);
    expect(limit.isBlocked('192.0.2.1')).to.equal(false);
    fail('192.0.2.1', 1);
    expect(limit.isBlocked('192.0.2.1')).to.equal(true);
    expect(limit.isBlocked('::ffff:192.0.2.1')).to.equal(true);
    expect(limit.isBlocked('192.0.2.2')).to.equal(false);
  });

  it('forgives one try after the other', () => {
    fail('192.0.2.1', 3);
    clock.pass(999);
    expect(limit.isBlocked('192.0.2.1')).to.equal(true);
    clock.pass(1);
    expect(limit.isBlocked('192.0.2.1')).to.equal(false);
    fail('192.0.2.1', 1);
    expect(limit.isBlocked('192.0.2.1')).to.equal(true);
    clock.pass(3_000);
    fail('192.0.2.1', 2);
    expect(limit.isBlocked('192.0.2.1')).to.equal(false);
  });

  it('counts all addresses of an IPv6 host together', () => {
    for (const end of ['1', '2', 'ffff:1']) limit.failed(`2001:db8::${end}`);
    expect(limit.isBlocked('2001:db8::9')).to.equal(true);
    expect(limit.isBlocked('2001:db8:0:1::9')).to.equal(false);
  });

  it('remembers a bounded number of hosts, and forgets the one that failed longest ago', () => {
    fail('192.0.2.0', 3);
    for (let i = 1; i < 10; i += 1) limit.failed(`192.0.2.${String(i)}`);
    limit.failed('192.0.2.0');
    for (let i = 10; i < 15; i += 1) limit.failed(`192.0.2.${String(i)}`);
    expect(limit.size).to.equal(10);
    expect(limit.isBlocked('192.0.2.0')).to.equal(true);
  });
});
