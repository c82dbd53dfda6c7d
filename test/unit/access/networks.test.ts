import { expect } from 'chai';
import fc from 'fast-check';
import { hostOf, Networks, plainAddress } from '../../../src/worker/access/networks.js';

const ipv4 = fc.ipV4();
const number = (address: string): number =>
  address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
const hexWords = (address: string): string => {
  const value = number(address).toString(16).padStart(8, '0');
  return `${value.slice(0, 4)}:${value.slice(4)}`;
};

describe('Networks', () => {
  it('have what lies inside and nothing else', () => {
    const networks = new Networks(['10.0.0.0/8', '192.0.2.7', 'fd00::/8', '2001:db8::1']);
    for (const inside of ['10.1.2.3', '192.0.2.7', 'fd12::1', '2001:db8:0::1', 'fd00::1%eth0']) {
      expect(networks.has(inside), inside).to.equal(true);
    }
    for (const outside of ['11.0.0.1', '192.0.2.8', 'fe80::1', '2001:db8::2', '::1', '127.0.0.1']) {
      expect(networks.has(outside), outside).to.equal(false);
    }
  });

  it('see an IPv4 address inside IPv6 as what it is, in every spelling', () => {
    const networks = new Networks(['10.0.0.0/8']);
    for (const spelling of ['::ffff:10.1.2.3', '::FFFF:0a01:203', '0:0:0:0:0:ffff:a01:0203']) {
      expect(networks.has(spelling), spelling).to.equal(true);
    }
    expect(networks.has('::ffff:11.0.0.1')).to.equal(false);
    // The old "compatible" form is another address.
    expect(networks.has('::10.1.2.3')).to.equal(false);
  });

  it('take a mapped network as the IPv4 one', () => {
    const networks = new Networks(['::ffff:10.0.0.0/104', '::ffff:192.0.2.1']);
    expect(networks.has('10.9.9.9')).to.equal(true);
    expect(networks.has('192.0.2.1')).to.equal(true);
    expect(networks.has('192.0.2.2')).to.equal(false);
  });

  it('have nothing that is no address', () => {
    const networks = new Networks(['0.0.0.0/1', '128.0.0.0/1', '::/1', '8000::/1']);
    for (const text of ['', 'x', '1.2.3', '1.2.3.4:80', '[::1]', '::1::', '1.2.3.4/8', '%', '%1']) {
      expect(networks.has(text), text).to.equal(false);
    }
    fc.assert(fc.property(fc.string(), (text) => typeof networks.has(text) === 'boolean'));
  });

  it('agree with arithmetic for every IPv4 network', () => {
    fc.assert(
      fc.property(ipv4, ipv4, fc.integer({ min: 1, max: 32 }), (base, address, prefix) => {
        const size = 2 ** (32 - prefix);
        const inside = Math.floor(number(base) / size) === Math.floor(number(address) / size);
        const networks = new Networks([`${base}/${String(prefix)}`]);
        expect(networks.has(address)).to.equal(inside);
        expect(networks.has(`::ffff:${address}`)).to.equal(inside);
        expect(networks.has(`::ffff:${hexWords(address)}`)).to.equal(inside);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('plainAddress', () => {
  it('gives one spelling to one address', () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        const plain = plainAddress(address);
        expect(plainAddress(plain)).to.equal(plain);
        expect(plainAddress(address.toUpperCase())).to.equal(plain);
      }),
    );
  });
});

describe('hostOf', () => {
  it('counts an IPv6 host by its /64 and an IPv4 host by its address', () => {
    expect(hostOf('2001:db8:1:2:3:4:5:6')).to.equal('2001:db8:1:2::/64');
    expect(hostOf('2001:db8:1:2::9')).to.equal('2001:db8:1:2::/64');
    expect(hostOf('::1')).to.equal('0:0:0:0::/64');
    expect(hostOf('::ffff:192.0.2.1')).to.equal('192.0.2.1');
    expect(hostOf('x'.repeat(1_000))).to.have.length(64);
  });

  it('depends on nothing but the first half of the address', () => {
    const group = fc.integer({ min: 0, max: 0xffff }).map((value) => value.toString(16));
    const half = fc.tuple(group, group, group, group).map((groups) => groups.join(':'));
    const notMapped = half.filter((text) => !/^0:0:0:0$/.test(text));
    fc.assert(
      fc.property(notMapped, half, half, (network, one, other) => {
        expect(hostOf(`${network}:${one}`)).to.equal(hostOf(`${network}:${other}`));
      }),
    );
  });
});
