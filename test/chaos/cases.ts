import { setTimeout as delay } from 'node:timers/promises';
import { until } from '../helpers/until.js';
import { Spectator } from './audience.js';
import { CHANNEL, type ChaosCase, type Lab } from './lab.js';
import { REDIS_CASES } from './redis-cases.js';

export { REDIS_CASES };

const BLOCKABLE = new URL('../helpers/blockable.mjs', import.meta.url).href;

/** A channel that nobody watches before the fault. */
const OTHER_CHANNEL = 'deadbeefdeadbeefdeadbeefdeadbeefdeadbeef';

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
  {
    fault: 'the only engine is gone for 3 s and comes back',
    long: true,
    maxGapMs: 9_000,
    engineForgets: true,
    inject: async ({ engines }) => engines[0]?.restart(3_000),
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
    fault: 'the owner is stopped',
    maxGapMs: 1_000,
    inject: ({ ownerPid }) => void process.kill(ownerPid, 'SIGSTOP'),
  },
  {
    fault: "the owner's event loop is blocked",
    // Found after a second of processor time, which a busy machine gives slowly: the bound is for one that gives it
    // half of the time. The rest is a takeover, as when the owner is killed.
    maxGapMs: 3_000,
    env: { NODE_OPTIONS: `--import=${BLOCKABLE}` },
    inject: async ({ ownerPid }) => {
      // A worker that has just begun is given more time.
      await delay(2_500);
      process.kill(ownerPid, 'SIGUSR2');
    },
  },
  {
    fault: 'the owner of a stream that starts is killed',
    maxGapMs: 1_500,
    // The engine has begun a session that no worker knows of yet: the next start supersedes it.
    tolerates: /started while a session of it was live/,
    inject: killAtTheStart,
  },
  {
    fault: "the owner's host is lost, and another host has players",
    secondHost: true,
    hostIsLost: true,
    // The leases of the lost host's players have to run out before the stream can be stopped.
    env: { PROXY_CLIENT_TTL: '3' },
    // The lock has to run out (2 s here), and the engine is asked for a new session.
    maxGapMs: 4_500,
    inject: ({ proxy }) => {
      for (const pid of [proxy.tree.pid, ...proxy.workers()]) process.kill(pid, 'SIGKILL');
    },
  },
];

/** Players ask for a new channel, and the worker that wins it dies before there is media. */
async function killAtTheStart({ proxy, engines }: Lab): Promise<void> {
  for (const engine of engines) engine.set({ startDelayMs: 300 });
  const players = Array.from(
    { length: 4 },
    (_, n) => new Spectator(proxy.media(OTHER_CHANNEL), `late-${String(n)}`),
  );
  try {
    process.kill(await proxy.ownerPid(OTHER_CHANNEL), 'SIGKILL');
    await Promise.all(players.map((player) => player.untilBytes(100_000, 8_000)));
    if (players.some(({ closed }) => closed)) throw new Error('a late player was closed');
  } finally {
    for (const player of players) player.leave();
  }
}

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
