// `npm run demo`: a simulated engine with a real picture, the proxy in front of it, one address.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { ensureBuild, ensureModules, ensurePrograms, fail, ROOT, say } from './lib/ensure.mjs';

const CONTENT = 'c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00';
const port = process.env.PROXY_PORT ?? '8000';

ensureModules();
ensurePrograms(['redis-server']);
ensureBuild();

say('starting the engine simulator');
const engine = spawn(
  process.execPath,
  ['--import=tsx', 'test/simulator/main.ts', '--port', '0', '--source', 'picture'],
  { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] },
);
const [line] = await once(createInterface({ input: engine.stdout }), 'line');
const { engines } = JSON.parse(line);

say('starting the proxy');
const proxy = spawn(process.execPath, ['dist/primary/main.js'], {
  cwd: ROOT,
  stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  env: {
    LOG_LEVEL: 'warn',
    PROXY_WORKERS: '2',
    ...process.env,
    PROXY_PORT: port,
    ACE_ENGINES: engines.join(','),
  },
});
proxy.on('message', (message) => {
  if (message === 'ready') announce();
});
proxy.once('exit', (code) => {
  engine.kill();
  if (code !== 0) fail('the proxy ended: its last lines say why');
});
engine.once('exit', () => proxy.kill());
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => proxy.kill('SIGTERM'));

function announce() {
  const base = `http://localhost:${port}`;
  process.stdout.write(`
The channel is on air. Open it in VLC, mpv or ffplay, as often as you like:

  ${base}/ace/getstream?id=${CONTENT}

In a browser:  ${base}/panel       streams, players, engines, and the picture
               ${base}/streams     what is playing, as JSON

Ctrl-C ends everything.
`);
}
