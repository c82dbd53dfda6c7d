import { request } from 'node:http';
import { openEngineStream } from './engine-stream.js';
import { serve } from './processes.js';

/** Reads contents from the engine and sends each to a mount point of Icecast. */
export interface IcecastFeedMethods {
  /** Resolves when all are being sent. */
  feed(options: {
    engine: string;
    ids: readonly string[];
    port: number;
    password: string;
  }): Promise<void>;
}

serve<IcecastFeedMethods>({
  async feed({ engine, ids, port, password }) {
    for (const id of ids) await feedOne(engine, id, { port, password });
  },
});

async function feedOne(
  engine: string,
  id: string,
  { port, password }: { port: number; password: string },
): Promise<void> {
  const { media, stop } = await openEngineStream(engine, id);
  const put = request({
    ...{ host: '127.0.0.1', port, method: 'PUT', path: `/${id}` },
    headers: {
      Authorization: `Basic ${Buffer.from(`source:${password}`).toString('base64')}`,
      'Content-Type': 'video/mp2t',
    },
  });
  put.on('error', () => media.destroy());
  media.pipe(put);
  media.once('close', () => void stop().catch(() => undefined));
}
