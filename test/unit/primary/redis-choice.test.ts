import { expect } from 'chai';
import fc from 'fast-check';

import { backoffMs, embeddedMemory } from '../../../src/primary/embedded-redis.js';
import { chooseRedis, needsProbe } from '../../../src/primary/redis-probe.js';
import type { ProbeAnswer } from '../../../src/primary/redis-probe.js';
import type { RedisSettings } from '../../../src/shared/config/settings.js';

const GIB = 2 ** 30;

const settings = (changed: Partial<RedisSettings>): RedisSettings => ({
  url: null,
  host: 'localhost',
  port: 6379,
  db: 0,
  given: false,
  embedded: 'auto',
  hashTags: false,
  ...changed,
});

describe('chooseRedis', () => {
  const cases: readonly (readonly [Partial<RedisSettings>, ProbeAnswer | null, boolean])[] = [
    [{}, 'nothing', true],
    [{}, 'other', true],
    [{}, 'redis', false],
    [{ given: true }, null, false],
    [{ given: true }, 'nothing', false],
    [{ embedded: 'never' }, 'nothing', false],
    [{ embedded: 'always' }, 'redis', true],
    [{ embedded: 'always', given: true }, null, true],
  ];
  for (const [changed, answer, embed] of cases) {
    const what = `${JSON.stringify(changed)} and the answer ${String(answer)}`;
    it(`${embed ? 'embeds' : 'does not embed'} with ${what}`, () => {
      expect(chooseRedis(settings(changed), answer).embed).to.equal(embed);
    });
  }

  it('asks who is there only when it matters', () => {
    expect(needsProbe(settings({}))).to.be.true;
    expect(needsProbe(settings({ given: true }))).to.be.false;
    expect(needsProbe(settings({ embedded: 'never' }))).to.be.false;
    expect(needsProbe(settings({ embedded: 'always' }))).to.be.false;
  });

  it('says why, and which port the operator would try', () => {
    const choice = chooseRedis(settings({ port: 7000 }), 'nothing');
    expect(choice).to.deep.include({ embed: true, preferredPort: 7000 });
    expect(choice.embed && choice.why).to.include('nothing answers on localhost:7000');
  });
});

describe('embeddedMemory', () => {
  it('is a quarter of what may be used, from 128 MiB to 1 GiB', () => {
    expect(embeddedMemory(2 * GIB, 0)).to.equal(GIB / 2);
    expect(embeddedMemory(64 * GIB, 2 ** 64)).to.equal(GIB);
    expect(embeddedMemory(64 * GIB, 2 * GIB)).to.equal(GIB / 2);
    expect(embeddedMemory(GIB / 4, 0)).to.equal(GIB / 8);
    fc.assert(
      fc.property(
        fc.double({ min: 0, noNaN: true }),
        fc.double({ min: 0, noNaN: true }),
        (a, b) => {
          expect(embeddedMemory(a, b)).to.be.within(GIB / 8, GIB);
        },
      ),
    );
  });
});

describe('backoffMs', () => {
  it('begins at once, never shrinks and ends at five seconds', () => {
    expect(backoffMs(0)).to.equal(0);
    fc.assert(
      fc.property(fc.nat(10_000), (failures) => {
        expect(backoffMs(failures + 1)).to.be.within(backoffMs(failures), 5_000);
      }),
    );
  });
});
