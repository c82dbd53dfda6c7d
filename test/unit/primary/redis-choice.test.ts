import { expect } from 'chai';
import fc from 'fast-check';

import { backoffMs, embeddedMemory, usableMemory } from '../../../src/primary/embedded-redis.js';
import { expectedStreams, memoryAdvice } from '../../../src/primary/redis-advice.js';
import { streamsThatFit } from '../../../src/shared/ring-memory.js';
import type { Settings } from '../../../src/shared/config/settings.js';
import { testSettings } from '../../helpers/settings.js';
import { chooseRedis, needsProbe } from '../../../src/primary/redis-probe.js';
import type { ProbeAnswer } from '../../../src/primary/redis-probe.js';
import type { RedisSettings } from '../../../src/shared/config/settings.js';
import { redisSettings } from '../../helpers/redis-settings.js';

const GIB = 2 ** 30;

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
      expect(chooseRedis(redisSettings(changed), answer).embed).to.equal(embed);
    });
  }

  it('asks who is there only when it matters', () => {
    expect(needsProbe(redisSettings({}))).to.be.true;
    expect(needsProbe(redisSettings({ given: true }))).to.be.false;
    expect(needsProbe(redisSettings({ embedded: 'never' }))).to.be.false;
    expect(needsProbe(redisSettings({ embedded: 'always' }))).to.be.false;
  });

  it('says why, and which port the operator would try', () => {
    const choice = chooseRedis(redisSettings({ port: 7000 }), 'nothing');
    expect(choice).to.deep.include({ embed: true, preferredPort: 7000 });
    expect(choice.embed && choice.why).to.include('nothing answers on localhost:7000');
  });
});

describe('the memory of the embedded Redis', () => {
  const MIB = 1_048_576;
  const RING = 64 * MIB;

  it('holds the full rings of all streams that are configured', () => {
    const memory = embeddedMemory(64 * GIB, 40, RING);
    expect(memory).to.be.greaterThan(40 * RING);
    expect(streamsThatFit(memory, RING)).to.equal(40);
  });

  it('leaves half of what may be used to the workers, and is never less than 128 MiB', () => {
    expect(usableMemory(4 * GIB, 0)).to.equal(4 * GIB);
    expect(usableMemory(4 * GIB, 2 ** 64)).to.equal(4 * GIB);
    expect(usableMemory(64 * GIB, 2 * GIB)).to.equal(2 * GIB);
    expect(embeddedMemory(2 * GIB, 40, RING)).to.equal(GIB);
    expect(embeddedMemory(GIB / 8, 40, RING)).to.equal(128 * MIB);
    expect(embeddedMemory(2 * GIB, 1, MIB)).to.equal(128 * MIB);
    fc.assert(
      fc.property(fc.nat(2 ** 40), fc.nat(10_000), fc.nat(2 ** 34), (usable, streams, ring) => {
        const least = 128 * MIB;
        expect(embeddedMemory(usable, streams, ring)).to.be.within(
          least,
          Math.max(usable / 2, least),
        );
      }),
    );
  });
});

describe('the advice on memory', () => {
  const info = (maxMemory: number): string =>
    `# Memory\r\nused_memory:1\r\nmaxmemory:${String(maxMemory)}\r\n`;
  const settings = (changes: Partial<Settings> = {}): Settings =>
    testSettings({ bufferTotalBytes: 0, maxStreams: 10, ...changes });
  const levels = (text: string, changes?: Partial<Settings>): string[] =>
    memoryAdvice(text, settings(changes)).map(({ level }) => level);

  it('says what fits where the rings of all streams do not, and warns where not one does', () => {
    const [advice] = memoryAdvice(info(GIB), settings({ maxStreams: 40 }));
    expect(advice).to.deep.include({ level: 'info' });
    expect(advice?.fields).to.include({ streamsThatFit: 12, streamsConfigured: 40 });
    expect(levels(info(GIB / 32))).to.deep.equal(['warn']);
  });

  it('says nothing where they fit, or are bounded by the configuration', () => {
    expect(levels(info(64 * GIB))).to.deep.equal([]);
    expect(levels(info(0), { bufferTotalBytes: GIB })).to.deep.equal([]);
  });

  it('says that nothing bounds the rings where nothing does', () => {
    expect(levels(info(0))).to.deep.equal(['info']);
  });

  it('expects as many streams as are allowed, or as the engines carry', () => {
    const engine = { id: 'a', host: 'h', port: 1, forwarded: false };
    const engines = [
      { ...engine, max: 3 },
      { ...engine, id: 'b', max: null },
    ];
    expect(expectedStreams(settings({ maxStreams: 7, engines }))).to.equal(7);
    const each = { maxStreams: 0, maxStreamsPerEngine: 4 };
    expect(expectedStreams(settings({ ...each, engines }))).to.equal(7);
    expect(expectedStreams(settings({ ...each, engines: [] }))).to.equal(16);
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
