import { expect } from 'chai';
import fc from 'fast-check';
import { parseOrchestratorEngines } from '../../../src/worker/engine/orchestrator.js';

const entry = {
  container_id: 'f'.repeat(64),
  container_name: '/acestream-1',
  host: 'gluetun_1',
  port: 19_000,
  labels: {},
  forwarded: true,
  health_status: 'healthy',
  draining: false,
  streams: [],
};

describe("an orchestrator's list", () => {
  it('becomes engine records named by container', () => {
    expect(parseOrchestratorEngines([entry])).to.deep.equal([
      {
        id: 'acestream-1',
        host: 'gluetun_1',
        port: 19_000,
        forwarded: true,
        max: null,
        source: 'orchestrator',
        draining: false,
        withheld: false,
        containerId: 'f'.repeat(64),
      },
    ]);
  });

  it('may be wrapped, as newer versions do', () => {
    expect(parseOrchestratorEngines({ items: [entry] })).to.have.length(1);
    expect(parseOrchestratorEngines({ engines: [entry] })).to.have.length(1);
  });

  it('withholds what the orchestrator drains or finds unhealthy, not what it does not know yet', () => {
    const withheld = (changes: object): boolean | undefined =>
      parseOrchestratorEngines([{ ...entry, ...changes }])[0]?.withheld;
    expect(withheld({ draining: true })).to.be.true;
    expect(withheld({ health_status: 'unhealthy' })).to.be.true;
    expect(withheld({ health_status: 'unknown' })).to.be.false;
  });

  it('is named by the container id, or the address, where there is no name', () => {
    const id = (changes: object): string | undefined =>
      parseOrchestratorEngines([{ ...entry, ...changes }])[0]?.id;
    expect(id({ container_name: null })).to.equal('f'.repeat(64));
    expect(id({ container_name: 'bad name' })).to.equal('gluetun_1:19000');
  });

  it('loses only the entries that have no usable address', () => {
    const list = [null, 7, {}, { ...entry, port: 0 }, { ...entry, host: 'a b' }, entry, entry];
    expect(parseOrchestratorEngines(list)).to.have.length(1);
  });

  it('is refused when it is no list, so that nothing is removed by an error page', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.constant({ error: 'x' })),
        (answer) => {
          expect(() => parseOrchestratorEngines(answer)).to.throw('list');
        },
      ),
    );
  });
});
