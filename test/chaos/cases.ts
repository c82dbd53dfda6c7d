import { setTimeout as delay } from 'node:timers/promises';
import { startRedis } from '../helpers/redis-server.js';
import { until } from '../helpers/until.js';
import { CHANNEL, type ChaosCase, type Lab } from './lab.js';

/** Faults of the engine: spec 3.4. */
export const ENGINE_CASES: readonly ChaosCase[] = [
  {
    fault: 'the engine ends the stream',
    maxGapMs: 1_500,
    inject: ({ engines }) => void engines[0]?.dropReaders('fin'),
  },
  {
    fault: 'the engine resets the connection',
    maxGapMs: 1_500,
    inject: ({ engines }) => void engines[0]?.dropReaders('rst'),
  },
  {
    fault: 'the engine cuts the stream inside a packet',
    maxGapMs: 1_500,
    inject: ({ engines }) => void engines[0]?.dropReaders('mid-packet'),
  },
  {
    fault: 'the engine stalls while its status is still dl',
    maxGapMs: 3_500,
    inject: async ({ engines }) => {
      engines[0]?.stall(true);
      await delay(1_500);
      engines[0]?.stall(false);
    },
  },
  {
    fault: 'the engine sends garbage',
    engines: 2,
    maxGapMs: 3_000,
    inject: async ({ engines, proxy }) => {
      const serving = await servingEngine({ engines, proxy });
      serving.garbage(true);
      await delay(2_000);
      serving.garbage(false);
    },
  },
  {
    fault: 'somebody else takes the content over on the engine',
    engines: 2,
    maxGapMs: 4_000,
    inject: async (lab) => (await servingEngine(lab)).supersede(),
  },
  {
    fault: 'the engine restarts and forgets its sessions',
    maxGapMs: 3_000,
    engineForgets: true,
    inject: async ({ engines }) => engines[0]?.restart(1_000),
  },
  {
    fault: 'the engine dies and another one is there',
    engines: 2,
    maxGapMs: 2_500,
    engineForgets: true,
    inject: async ({ engines, proxy }) => (await servingEngine({ engines, proxy })).kill(),
  },
];

/** Faults of workers: spec 3.5. */
export const WORKER_CASES: readonly ChaosCase[] = [
  {
    fault: 'the owner is killed',
    maxGapMs: 1_000,
    inject: ({ ownerPid }) => void process.kill(ownerPid, 'SIGKILL'),
  },
  {
    fault: 'a follower is killed',
    maxGapMs: 1_000,
    inject: ({ proxy, ownerPid }) => {
      const follower = proxy.workers().find((pid) => pid !== ownerPid);
      if (follower !== undefined) process.kill(follower, 'SIGKILL');
    },
  },
  {
    fault: 'the owner hangs',
    maxGapMs: 2_000,
    inject: ({ ownerPid }) => void process.kill(ownerPid, 'SIGSTOP'),
  },
];

/** Faults of Redis: spec 3.7. */
export const REDIS_CASES: readonly ChaosCase[] = [
  {
    fault: 'Redis is killed and comes back empty after 3 s',
    maxGapMs: 5_000,
    inject: async (lab) => {
      const { port } = lab.redis;
      await lab.redis.kill();
      await delay(3_000);
      lab.redis = await startRedis({ port });
    },
  },
  {
    fault: 'Redis is frozen for 5 s',
    maxGapMs: 7_000,
    inject: async ({ redis }) => {
      process.kill(redis.pid, 'SIGSTOP');
      await delay(5_000);
      process.kill(redis.pid, 'SIGCONT');
    },
  },
  {
    fault: 'every connection to Redis is cut',
    maxGapMs: 1_500,
    inject: async ({ proxy }) => {
      await proxy.look.call('CLIENT', 'KILL', 'SKIPME', 'yes');
    },
  },
  {
    fault: 'FLUSHALL in mid-play',
    maxGapMs: 2_000,
    inject: async ({ proxy }) => {
      await proxy.look.flushall();
    },
  },
  {
    fault: 'the lock is deleted',
    maxGapMs: 2_000,
    inject: async ({ proxy }) => {
      await proxy.look.del(`ace_proxy:stream:${CHANNEL}:owner`);
    },
  },
  {
    fault: 'Redis pauses all commands for 3 s',
    maxGapMs: 5_000,
    inject: async ({ proxy }) => {
      await proxy.look.call('CLIENT', 'PAUSE', '3000');
      await delay(3_000);
    },
  },
];

/** Reload: spec 3.8. */
export const RELOAD_CASES: readonly ChaosCase[] = [
  {
    fault: 'all workers are replaced one by one (SIGHUP)',
    exact: true,
    maxGapMs: 1_500,
    inject: async ({ proxy }) => {
      const before = new Set(proxy.workers());
      proxy.tree.signal('SIGHUP');
      await until(
        'all workers are new',
        () => {
          const now = proxy.workers();
          return now.length === before.size && now.every((pid) => !before.has(pid));
        },
        20_000,
      );
    },
  },
];

export const ALL_CASES = [...ENGINE_CASES, ...WORKER_CASES, ...REDIS_CASES, ...RELOAD_CASES];

async function servingEngine({ engines, proxy }: Pick<Lab, 'engines' | 'proxy'>) {
  const id = await proxy.look.hget(`ace_proxy:stream:${CHANNEL}:metadata`, 'engine_id');
  const engine = engines[Number(id?.slice(1)) - 1];
  if (engine === undefined) throw new Error(`no engine is called ${String(id)}`);
  return engine;
}
