import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { freePort } from '../../helpers/redis-server.js';

/** For a process of its own, whose descriptors are few. */
const DESCRIPTORS = 96;
/** What it is told before it has descriptors again: deaths and tries in vain take turns. */
const LINES = 4;

const path = (name: string): string =>
  JSON.stringify(fileURLToPath(new URL(`../../../${name}`, import.meta.url)));

const script = (port: number): string => `
  import { closeSync, openSync } from 'node:fs';
  import { EmbeddedRedis } from ${path('src/primary/embedded-redis.ts')};
  import { systemClock } from ${path('src/shared/clock.ts')};
  import { silentLogger } from ${path('test/helpers/silent-logger.ts')};
  const taken = [];
  let lines = 0;
  const error = (message, { output, error }) => {
    console.log(message + ':', output ?? String(error));
    lines += 1;
    if (lines === ${String(LINES)}) for (const descriptor of taken) closeSync(descriptor);
  };
  const redis = await EmbeddedRedis.start({
    logger: { ...silentLogger, error }, clock: systemClock, preferredPort: ${String(port)}, db: 0,
    maxMemoryBytes: 134217728,
    onRestart: () => { console.log('back'); void redis.stop(); },
  });
  process.kill(redis.pid, 'SIGKILL');
  try {
    for (;;) taken.push(openSync('/dev/null'));
  } catch (error) {
    console.log('none left:', error.code);
  }
`;

describe('An embedded Redis that dies while the system has no descriptor left', () => {
  it('is tried again until it is back, and the primary lives', async () => {
    const program = script(await freePort());
    const argv = ['--import', 'tsx', '--input-type=module', '--eval', program];
    const limit = `ulimit -n ${String(DESCRIPTORS)}; exec "$@"`;
    const primary = spawn('/bin/sh', ['-c', limit, 'sh', process.execPath, ...argv], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let text = '';
    for (const pipe of [primary.stdout, primary.stderr]) {
      pipe.setEncoding('utf8').on('data', (part: string) => (text += part));
    }
    const [code] = (await once(primary, 'close')) as [number | null];
    expect(code, text).to.equal(0);
    expect(text).to.match(/^none left: EMFILE$/m);
    expect(text).to.match(/^the embedded Redis did not come back: .*spawn \/bin\/sh EMFILE$/m);
    expect(text.trim().split('\n').at(-1)).to.equal('back');
  });
});
