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

let ending = false;
let engine;

say('starting the engine simulator');
const address = await startEngine('0');

say('starting the proxy');
const proxy = spawn(process.execPath, ['dist/primary/main.js'], {
  cwd: ROOT,
  stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  env: {
    LOG_LEVEL: 'warn',
    PROXY_WORKERS: '2',
    ...process.env,
    PROXY_PORT: port,
    ACE_ENGINES: address,
  },
});
proxy.on('message', (message) => {
  if (message === 'ready') announce();
});
proxy.once('exit', (code) => {
  ending = true;
  engine.kill();
  if (code !== 0) fail('the proxy ended: its last lines say why');
});
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    ending = true;
    proxy.kill('SIGTERM');
  });
}

/** Resolves to its address. One that is killed comes back on the same port: players stay meanwhile. */
async function startEngine(enginePort) {
  const args = ['--import=tsx', 'test/simulator/main.ts', '--source', 'picture', '--port'];
  engine = spawn(process.execPath, [...args, enginePort], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(engine, 'exit');
  const [line] = await once(createInterface({ input: engine.stdout }), 'line');
  const [listens] = JSON.parse(line).engines;
  void exited.then(() => {
    if (ending) return;
    say('the engine simulator is gone: starting it again');
    return startEngine(listens.split(':').at(-1));
  });
  return listens;
}

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
