import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../helpers/redis-server.js';
import type { IcecastFeedMethods } from './icecast-feed.js';
import { BenchProcess } from './processes.js';
import type { Target } from './targets.js';

const PASSWORD = 'bench';
/** Bytes that a listener may lag; 4 s of 8 Mbit/s, as the proxy's own memory would allow. */
const QUEUE_BYTES = 4_194_304;
const STARTED_MS = 400;

/** Debian's Icecast as a broadcaster of the same streams; `null` where it is not installed. */
export async function startIcecast(engine: string): Promise<Target | null> {
  if (spawnSync('icecast2', ['-v']).error) return null;
  const folder = await mkdtemp(join(tmpdir(), 'bench-icecast-'));
  await chmod(folder, 0o777);
  const port = await freePort();
  const file = join(folder, 'icecast.xml');
  await writeFile(file, configOf(port, folder));
  // It refuses to run as root.
  const asRoot = process.getuid?.() === 0;
  const command = asRoot ? 'setpriv' : 'icecast2';
  const user = ['--reuid=icecast2', '--regid=icecast', '--clear-groups', 'icecast2'];
  const server = spawn(command, [...(asRoot ? user : []), '-c', file], { stdio: 'ignore' });
  const feed = new BenchProcess<IcecastFeedMethods>('./icecast-feed.ts');
  await delay(STARTED_MS);
  return {
    name: 'icecast2 and its feed',
    port,
    proxy: null,
    path: (stream) => `/${stream}`,
    roles: () => ({ icecast: server.pid === undefined ? [] : [server.pid], feed: [feed.pid] }),
    prepare: async (streams) => {
      await feed.call('feed', { engine, ids: streams, port, password: PASSWORD });
      await delay(STARTED_MS);
    },
    stop: async () => {
      await feed.stop();
      if (server.exitCode === null && server.kill('SIGKILL')) await once(server, 'exit');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function configOf(port: number, folder: string): string {
  return `<icecast>
  <limits>
    <clients>5000</clients><sources>100</sources>
    <queue-size>${String(QUEUE_BYTES)}</queue-size><burst-size>65535</burst-size>
  </limits>
  <authentication>
    <source-password>${PASSWORD}</source-password><admin-user>a</admin-user>
    <admin-password>${PASSWORD}</admin-password>
  </authentication>
  <hostname>localhost</hostname>
  <listen-socket><port>${String(port)}</port><bind-address>127.0.0.1</bind-address></listen-socket>
  <paths>
    <basedir>/usr/share/icecast2</basedir><logdir>${folder}</logdir>
    <webroot>/usr/share/icecast2/web</webroot><adminroot>/usr/share/icecast2/admin</adminroot>
  </paths>
  <logging><accesslog>access.log</accesslog><errorlog>error.log</errorlog><loglevel>1</loglevel></logging>
</icecast>
`;
}
