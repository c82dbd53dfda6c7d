import { setTimeout as delay } from 'node:timers/promises';
import { startRedis } from '../helpers/redis-server.js';
import { until } from '../helpers/until.js';
import { CHANNEL, type ChaosCase, type Lab } from './lab.js';

const NEW_CHANNEL = 'cafecafecafecafecafecafecafecafecafecafe';

/** Faults of Redis: spec 3.7. The owner's own players must not notice anything. */
export const REDIS_CASES: readonly ChaosCase[] = [
  {
    fault: 'Redis is killed and comes back empty after 3 s',
    maxGapMs: 5_000,
    maxGapAtOwnerMs: 600,
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
    maxGapAtOwnerMs: 600,
    inject: (lab) => freeze(lab, 5_000),
  },
  {
    fault: 'Redis is frozen for 15 s',
    long: true,
    maxGapMs: 17_000,
    maxGapAtOwnerMs: 600,
    inject: (lab) => freeze(lab, 15_000),
  },
  {
    fault: 'every connection to Redis is cut',
    maxGapMs: 1_500,
    maxGapAtOwnerMs: 600,
    inject: async ({ proxy }) => {
      await proxy.look.call('CLIENT', 'KILL', 'SKIPME', 'yes');
    },
  },
  {
    fault: 'FLUSHALL in mid-play',
    maxGapMs: 2_000,
    maxGapAtOwnerMs: 600,
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
    long: true,
    maxGapMs: 5_000,
    maxGapAtOwnerMs: 600,
    inject: async ({ proxy }) => {
      await proxy.look.call('CLIENT', 'PAUSE', '3000');
      await delay(3_000);
    },
  },
  {
    fault: 'Redis has no memory left for 4 s',
    maxGapMs: 6_000,
    maxGapAtOwnerMs: 600,
    inject: async (lab) => {
      await lab.proxy.look.config('SET', 'maxmemory', '1');
      await expectRefusal(lab);
      await delay(4_000);
      await lab.proxy.look.config('SET', 'maxmemory', '0');
    },
  },
  {
    fault: 'Redis has memory for a part of the ring only',
    long: true,
    maxGapMs: 3_000,
    maxGapAtOwnerMs: 600,
    inject: async ({ proxy }) => {
      const info = await proxy.look.info('memory');
      const used = Number(/used_memory:(\d+)/.exec(info)?.[1]);
      await proxy.look.config('SET', 'maxmemory', String(used + 500_000));
      await delay(6_000);
      await proxy.look.config('SET', 'maxmemory', '0');
    },
  },
];

async function freeze({ redis }: Lab, ms: number): Promise<void> {
  process.kill(redis.pid, 'SIGSTOP');
  await delay(ms);
  process.kill(redis.pid, 'SIGCONT');
}

/** A new stream is refused with a clear reason while Redis is full. */
async function expectRefusal({ proxy }: Lab): Promise<void> {
  const answer = await until('an answer for a new stream', () =>
    fetch(proxy.media(NEW_CHANNEL), { signal: AbortSignal.timeout(4_000) }),
  );
  const { status, headers } = answer;
  const { error } = (await answer.json()) as { error: { code: string } };
  const told = `${String(status)} ${error.code}, Retry-After ${String(headers.get('retry-after'))}`;
  if (status !== 503 || error.code !== 'REDIS_FULL' || headers.get('retry-after') === null) {
    throw new Error(`a new stream was told ${told} while Redis was full`);
  }
}
