import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort, startRedis, type TestRedis } from './redis-server.js';
import { until } from './until.js';

/** A master, its replica and one Sentinel that is quick to decide. */
export interface TestSentinel {
  readonly name: string;
  readonly port: number;
  readonly master: TestRedis;
  readonly replica: TestRedis;
  /** Resolves when the Sentinel names the replica as the master. */
  untilFailedOver(ms: number): Promise<void>;
  stop(): Promise<void>;
}

const NAME = 'channels';

export async function startSentinel(): Promise<TestSentinel> {
  const master = await startRedis();
  const directory = await mkdtemp(join(tmpdir(), 'redis-sentinel-'));
  const replica = await startRedis({
    args: ['--replicaof', '127.0.0.1', String(master.port), '--dir', directory],
  });
  const config = join(directory, 'sentinel.conf');
  await writeFile(
    config,
    [
      `sentinel monitor ${NAME} 127.0.0.1 ${String(master.port)} 1`,
      `sentinel down-after-milliseconds ${NAME} 500`,
      `sentinel failover-timeout ${NAME} 2000`,
    ].join('\n'),
  );
  const port = await freePort();
  const sentinel = await startRedis({ port, config, args: ['--sentinel'] });
  const look = new Redis(port);
  await until('the replica is known and in step', async () => {
    const [of] = (await look.call('SENTINEL', 'replicas', NAME)) as string[][];
    return of?.[of.indexOf('master-link-status') + 1] === 'ok';
  });
  return {
    ...{ name: NAME, port, master, replica },
    untilFailedOver: async (ms) => {
      await until(
        'the Sentinel names the replica',
        async () => {
          const [, at] = (await look.call('SENTINEL', 'get-master-addr-by-name', NAME)) as string[];
          return at === String(replica.port);
        },
        ms,
      );
    },
    stop: async () => {
      look.disconnect();
      for (const server of [sentinel, replica, master]) await server.kill();
      await rm(directory, { recursive: true });
    },
  };
}
