import { expect } from 'chai';
import { ProcessTree } from '../helpers/process-tree.js';
import { freePort } from '../helpers/redis-server.js';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../../dist/primary/main.js', import.meta.url));

describe('A bad configuration', () => {
  it('ends with 78 and every fault at once, before anything is started', async () => {
    const port = await freePort();
    const tree = new ProcessTree({
      argv: [PROGRAM],
      env: {
        PATH: process.env['PATH'],
        PROXY_PORT: String(port),
        PROXY_WORKERS: '12abc',
        PROXY_GRACE_PERIOD: '',
        PROXY_BUFER_TTL: '60',
        ACE_ENGINES: 'engine;port',
        REDIS_EMBEDDED: 'perhaps',
        PROXY_API_KEY: 'x y',
      },
    });
    const children = new Set<number>();
    const watch = setInterval(() => tree.children().forEach((pid) => children.add(pid)), 5);
    const { code } = await tree.exited;
    clearInterval(watch);
    expect(code).to.equal(78);
    expect([...children], 'processes it started').to.deep.equal([]);
    expect(tree.lines, 'lines of its log').to.deep.equal([]);
    const faults = tree.stderr.trim().split('\n').slice(1);
    const names = faults.map((line) => /^\s+(\w+)/.exec(line)?.[1]);
    expect(names).to.have.members([
      'PROXY_WORKERS',
      'PROXY_GRACE_PERIOD',
      'PROXY_BUFER_TTL',
      'ACE_ENGINES',
      'REDIS_EMBEDDED',
      'PROXY_API_KEY',
    ]);
    const line = (name: string): string => faults.find((each) => each.includes(name)) ?? '';
    expect(line('PROXY_WORKERS')).to.match(/"12abc".*must be /);
    expect(line('PROXY_BUFER_TTL')).to.match(/did you mean PROXY_BUFFER_TTL\?/);
    expect(line('PROXY_API_KEY'), 'a secret is not shown').to.not.include('x y');
  });
});
