import { expect } from 'chai';
import fc from 'fast-check';
import { isPublicAddress } from '../../../src/worker/playlist/public-address.js';

const NOT_PUBLIC = [
  ...['0.0.0.0', '0.1.2.3', '10.0.0.1', '10.255.255.255', '100.64.0.1', '100.127.255.255'],
  ...['127.0.0.1', '127.255.255.254', '169.254.169.254', '172.16.0.1', '172.31.255.255'],
  ...['192.0.0.1', '192.0.2.1', '192.168.0.1', '198.18.0.1', '198.51.100.1', '203.0.113.1'],
  ...['224.0.0.1', '239.255.255.255', '240.0.0.1', '255.255.255.255'],
  ...['::', '::1', '::127.0.0.1', '::ffff:127.0.0.1', '::ffff:8.8.8.8', '::ffff:7f00:1'],
  ...['64:ff9b::7f00:1', '64:ff9b:1::1', '100::1', '2001::1', '2001:db8::1', '2002:7f00:1::1'],
  ...['3fff::1', 'fc00::1', 'fd12:3456::1', 'fe80::1', 'fe80::1%eth0', 'fec0::1', 'ff02::1'],
  ...['', 'localhost', '127.1', '0x7f000001', '2130706433', '8.8.8.8/32', '[2606:4700::1]'],
];
const PUBLIC = [
  ...['1.1.1.1', '8.8.8.8', '9.255.255.255', '11.0.0.0', '100.63.255.255', '100.128.0.0'],
  ...['126.255.255.255', '128.0.0.1', '169.253.0.1', '172.15.255.255', '172.32.0.0'],
  ...['192.167.255.255', '223.255.255.255', '2606:4700::1111', '2a00:1450::1', '2001:4860::8888'],
];

describe('isPublicAddress', () => {
  it('refuses whatever is not on the public internet, and what is no address', () => {
    for (const address of NOT_PUBLIC) expect(isPublicAddress(address), address).to.be.false;
  });

  it('lets the public internet through, up to the borders of what is not', () => {
    for (const address of PUBLIC) expect(isPublicAddress(address), address).to.be.true;
  });

  it('never lets an IPv4 address through in the clothes of IPv6', () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        expect(isPublicAddress(`::ffff:${address}`)).to.be.false;
        expect(isPublicAddress(`::${address}`)).to.be.false;
        expect(isPublicAddress(`64:ff9b::${address}`)).to.be.false;
      }),
    );
  });

  it('agrees with the first numbers of any IPv4 address', () => {
    fc.assert(
      fc.property(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255), (a, b, c, d) => {
        const inside = a === 10 || a === 127 || a === 0 || a >= 224 || (a === 192 && b === 168);
        fc.pre(inside || ![100, 169, 172, 192, 198, 203].includes(a));
        expect(isPublicAddress([a, b, c, d].join('.'))).to.equal(!inside);
      }),
    );
  });
});
