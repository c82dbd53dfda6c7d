import { expect } from 'chai';
import fc from 'fast-check';
import type { ClientId, StreamId, WorkerId } from '../../../src/shared/ids.js';
import { hashTag } from '../../../src/shared/redis/batch.js';
import { makeKeys, type EngineKeys, type StreamKeys } from '../../../src/shared/redis/keys.js';

describe('The hash tag of a key', () => {
  it('is what stands in the first braces, and the whole key without any', () => {
    expect(hashTag('a:{b}:c')).to.equal('b');
    expect(hashTag('a:{b}:{c}')).to.equal('b');
    expect(hashTag('{a}')).to.equal('a');
    for (const whole of ['abc', 'a:{}:b', 'a:{b', 'a}b{', '']) {
      expect(hashTag(whole)).to.equal(whole);
    }
  });

  it('is one for all keys of a stream, and one for all keys of the engines', () => {
    const hex = fc.string({
      unit: fc.constantFrom('0', '1', '7', '9', 'a', 'c', 'f'),
      minLength: 40,
      maxLength: 40,
    });
    fc.assert(
      fc.property(hex, fc.nat(), (id, index) => {
        const keys = makeKeys({ hashTags: true });
        const { chunk, staged, client, clientStop, ...named } = keys.stream(id as StreamId);
        const all: Omit<StreamKeys, 'chunk' | 'staged' | 'client' | 'clientStop'> = named;
        const ofChunk = [chunk(index), staged('w' as WorkerId, 1, index)];
        const some = [...ofChunk, client('c' as ClientId), clientStop('c' as ClientId)];
        for (const name of [...Object.values(all), ...some]) expect(hashTag(name)).to.equal(id);
      }),
    );
    const { events, ...engines }: EngineKeys = makeKeys({ hashTags: true }).engines;
    expect(events).to.be.a('string');
    expect(new Set(Object.values(engines).map(hashTag))).to.deep.equal(new Set(['engines']));
    expect(makeKeys({ hashTags: true }).heartbeat('w' as WorkerId)).to.not.include('{');
  });
});
