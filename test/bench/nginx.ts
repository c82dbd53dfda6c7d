import { spawnSync } from 'node:child_process';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nullPackets } from '../../src/shared/mpegts/splice.js';
import { freePort } from '../helpers/redis-server.js';
import { Served } from './served.js';
import type { Target } from './targets.js';

/** Seconds of media in the file beside two measurements: what the players' coming and settling takes. */
const SPARE_SECONDS = 40;
/** Sends of one player in a second: what a chunk of `PROXY_BUFFER_FLUSH_MS` makes of it. */
const SENDS_PER_SECOND = 10;
const PACKETS_AT_ONCE = 5_000;

/**
 * Debian's nginx sends a file at the streams' rate to each player: the limit of a static send, since the kernel
 * hands out pages of the file without a copy (`sendfile`) and nobody waits for anybody. It reads no engine,
 * nobody has the same moment of a stream, and there is no latency. It waits for the next 100 ms after each
 * send, so that many players get a bit less than the rate. `null` where it is not installed.
 */
export async function startNginx(seconds: number): Promise<Target | null> {
  if (spawnSync('nginx', ['-v']).error) return null;
  const folder = await mkdtemp(join(tmpdir(), 'bench-nginx-'));
  const port = await freePort();
  const server = new Served('nginx', port);
  return {
    name: 'nginx, a static file',
    port,
    proxy: null,
    path: (stream) => `/${stream}`,
    roles: () => ({ nginx: server.pids }),
    prepare: async (_, rate) => {
      await server.end();
      await writeMedia(join(folder, 'media.ts'), rate * (SPARE_SECONDS + 2 * seconds));
      await writeFile(join(folder, 'nginx.conf'), configOf({ port, folder, rate }));
      const files = ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', join(folder, 'errors')];
      await server.start(files);
    },
    stop: async () => {
      await server.end();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function writeMedia(file: string, bytes: number): Promise<void> {
  const piece = nullPackets(PACKETS_AT_ONCE);
  const media = await open(file, 'w');
  for (let written = 0; written < bytes; written += piece.length) await media.write(piece);
  await media.close();
}

/** One process, as the baseline. */
function configOf({
  port,
  folder,
  rate,
}: {
  port: number;
  folder: string;
  /** Bytes per second. */
  rate: number;
}): string {
  return `daemon off;
master_process off;
pid ${folder}/pid;
worker_rlimit_nofile 10000;
events { worker_connections 5000; }
http {
  access_log off;
  types {}
  default_type video/mp2t;
  sendfile on;
  sendfile_max_chunk ${String(Math.round(rate / SENDS_PER_SECOND))};
  limit_rate ${String(Math.round(rate))};
  open_file_cache max=10;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  server {
    listen 127.0.0.1:${String(port)} backlog=4096;
    root ${folder};
    location / { rewrite ^ /media.ts break; }
  }
}
`;
}
