import { expect } from 'chai';
import fc from 'fast-check';
import type { AppError } from '../../../src/shared/errors.js';
import { parseEngineRequest } from '../../../src/worker/http/engine-request.js';

function reasons(body: unknown): readonly string[] {
  try {
    parseEngineRequest(body);
  } catch (error) {
    expect((error as AppError).code).to.equal('BAD_REQUEST');
    return (error as AppError).details['reasons'] as string[];
  }
  throw new Error('the body was accepted');
}

describe('parseEngineRequest', () => {
  it('fills in what is left out', () => {
    expect(parseEngineRequest({ host: 'Engine-1.local', port: 6878 })).to.deep.equal({
      id: 'Engine-1.local:6878'.toLowerCase(),
      host: 'engine-1.local',
      port: 6878,
      forwarded: false,
      max: null,
    });
  });

  it('takes everything as it is given', () => {
    const body = { host: '192.0.2.7', port: 1, forwarded: true, id: 'a:b.c-[d]_e', max: 3 };
    expect(parseEngineRequest(body)).to.deep.equal(body);
  });

  it('puts an IPv6 address into brackets in the id only', () => {
    expect(parseEngineRequest({ host: '::1', port: 6878 })).to.include({
      id: '[::1]:6878',
      host: '::1',
    });
  });

  it('names every fault at once', () => {
    const body = { host: 'a/b', port: '6878', forwarded: 'yes', id: 'x y', max: 0 };
    const found = reasons(body);
    for (const field of ['host', 'port', 'forwarded', 'id', 'max']) {
      expect(
        found.some((reason) => reason.startsWith(field)),
        field,
      ).to.be.true;
    }
  });

  it('refuses fields it does not know, without repeating them', () => {
    const found = reasons({ host: 'a', port: 1, hots: 'a' });
    expect(found).to.have.lengthOf(1);
    expect(found[0]).to.not.include('hots');
  });

  it('refuses hosts that are more than a host', () => {
    for (const host of [
      '',
      'http://a',
      'a:1',
      'a b',
      'a\r\nb',
      'user@a',
      'a/../b',
      '[::1]',
      'fe80::1%lo',
    ]) {
      expect(reasons({ host, port: 1 }), host).to.have.lengthOf(1);
    }
  });

  it('refuses anything that is no object with reasons, never with a defect', () => {
    for (const body of [undefined, null, 1, 'text', []]) {
      expect(reasons(body)).to.have.lengthOf(1);
    }
    fc.assert(
      fc.property(fc.object(), (body) => {
        expect(reasons(body)).to.not.be.empty;
      }),
    );
  });
});
