import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { freePort } from '../helpers/redis-server.js';
import { PACKET } from '../simulator/ts-packet.js';
import { Served } from './served.js';
import type { Target } from './targets.js';

/** What it gathers before it sends: the age of the proxy's chunk (`PROXY_BUFFER_FLUSH_MS`, spec 2.2). */
const BLOCK_SECONDS = 0.1;
/** Its client of the engine opens no more connections to one host: the eleventh stream never begins. */
const MOST_STREAMS = 10;

/**
 * acexy, a proxy of the same kind in Go. Its buffer (`ACEXY_BUFFER_SIZE`, unless the environment has one) is as old
 * as a chunk of the proxy when it is sent, and of whole packets: a player begins with the next buffer, and its
 * stamps are looked for where packets begin. One more player than counted keeps each stream: of players that come
 * before the engine answered the first, each starts a session and opens a reader, and the engine ends the others.
 * `null` where it is not installed.
 */
export async function startAcexy(engine: string): Promise<Target | null> {
  if (spawnSync('acexy', ['-help']).error) return null;
  const port = await freePort();
  const server = new Served('acexy', port);
  const [host, enginePort] = engine.split(':');
  const path = (stream: string): string => `/ace/getstream?id=${stream}`;
  return {
    name: 'acexy',
    port,
    proxy: null,
    mostStreams: MOST_STREAMS,
    path,
    roles: () => ({ acexy: server.pids }),
    prepare: async (streams, rate) => {
      const packets = Math.round((rate * BLOCK_SECONDS) / PACKET);
      await server.start([], {
        ACEXY_BUFFER_SIZE: String(packets * PACKET),
        ...process.env,
        ACEXY_LISTEN_ADDR: `127.0.0.1:${port}`,
        ACEXY_HOST: host,
        ACEXY_PORT: enginePort,
      });
      for (const stream of streams) await keep(`http://127.0.0.1:${port}${path(stream)}`);
    },
    stop: () => server.end(),
  };
}

/** Plays until the server ends; resolves with the first media. */
async function keep(url: string): Promise<void> {
  const [media] = (await once(get(url, { agent: false }), 'response')) as [IncomingMessage];
  media.on('error', () => undefined);
  await once(media, 'data');
  media.resume();
}
