import { startEngine, type SimulatedEngine } from '../simulator/engine.js';
import { Player } from '../helpers/player.js';
import { startProxy, type Proxy } from '../helpers/proxy.js';
import { startRedis, type TestRedis } from '../helpers/redis-server.js';
import { until } from '../helpers/until.js';

export const CHANNEL = 'feedfacefeedfacefeedfacefeedfacefeedface';

/** What a fault is injected into: engines, the proxy's process tree, its Redis, its players. */
export interface Lab {
  readonly engines: readonly SimulatedEngine[];
  readonly proxy: Proxy;
  /** Replaced by a fault that restarts it. */
  redis: TestRedis;
  readonly players: readonly Player[];
  /** Players that a worker other than the owner serves, as far as known when the fault began. */
  readonly ownerPid: number;
}

export interface ChaosCase {
  /** A sentence fragment: "the owner is killed". */
  readonly fault: string;
  readonly engines?: number;
  readonly workers?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Injects the fault and undoes what must be undone; resolves when it is over. */
  readonly inject: (lab: Lab) => Promise<void> | void;
  /** ms that the longest silence of any player may take. */
  readonly maxGapMs: number;
  /** True when not a single packet may be missing or marked. */
  readonly exact?: boolean;
  /** True when the engine, not the proxy, ended sessions (restart): then starts exceed stops. */
  readonly engineForgets?: boolean;
}

/** One row of the chaos report. */
export interface ChaosResult {
  readonly fault: string;
  readonly players: number;
  readonly socketsClosed: number;
  readonly longestGapMs: number;
  /** Packets missing where no discontinuity was marked, twice, out of order, off the grid. */
  readonly lost: number;
  readonly duplicated: number;
  readonly reordered: number;
  readonly misaligned: number;
  readonly markedSplices: number;
  readonly sessionsLeft: number;
  readonly keysLeft: number;
  readonly maxReaders: number;
  readonly violations: readonly string[];
  readonly seconds: number;
}

export interface LabOptions {
  readonly players: number;
  /** bit/s */
  readonly bitrate: number;
}

/** Media that must flow again at every player after the fault, in seconds. */
const RECOVERY_SECONDS = 2;
const RECOVERY_TIMEOUT_MS = 25_000;

export async function runCase(chaos: ChaosCase, options: LabOptions): Promise<ChaosResult> {
  const startedAt = Date.now();
  const engines = await Promise.all(
    Array.from({ length: chaos.engines ?? 1 }, () =>
      startEngine({ source: 'stamped', bitrate: options.bitrate, gop: 0.5, prebufferMs: 50 }),
    ),
  );
  const redis = await startRedis();
  const proxy = await startProxy({
    engines,
    redis,
    workers: chaos.workers ?? 2,
    ...(chaos.env && { env: chaos.env }),
  });
  const players = Array.from({ length: options.players }, () => new Player(proxy.media(CHANNEL)));
  const second = options.bitrate / 8;
  let lab: Lab | null = null;
  try {
    await Promise.all(players.map((player) => player.untilBytes(second * 2, 15_000)));
    lab = { engines, proxy, redis, players, ownerPid: await proxy.ownerPid(CHANNEL) };
    for (const player of players) player.resetGap();
    await chaos.inject(lab);
    const alive = players.filter(({ closed }) => !closed);
    await Promise.all(alive.map((player) => untilRecovered(player, second * RECOVERY_SECONDS)));
    const measured = measure(players);
    const left = await leaveAll(lab);
    return {
      fault: chaos.fault,
      ...measured,
      ...left,
      seconds: Math.round((Date.now() - startedAt) / 100) / 10,
    };
  } finally {
    for (const player of players) player.leave();
    await proxy.stop();
    // A fault may have put another one in its place.
    await (lab ?? { redis }).redis.stop();
    await Promise.all(engines.map((engine) => engine.stop()));
  }
}

async function untilRecovered(player: Player, bytes: number): Promise<void> {
  const before = player.bytes;
  await until(
    'media flows again',
    () => player.closed || player.bytes - before >= bytes,
    RECOVERY_TIMEOUT_MS,
  ).catch(() => undefined);
}

function measure(
  players: readonly Player[],
): Omit<
  ChaosResult,
  'fault' | 'sessionsLeft' | 'keysLeft' | 'maxReaders' | 'violations' | 'seconds'
> {
  const reports = players.map((player) => player.report());
  const worst = (pick: (report: (typeof reports)[number]) => number): number =>
    Math.max(...reports.map(pick));
  return {
    players: players.length,
    socketsClosed: players.filter(({ closed }) => closed).length,
    longestGapMs: Math.max(...players.map(({ longestGap }) => longestGap)),
    lost: worst(({ lost }) => lost),
    duplicated: worst(({ duplicated }) => duplicated),
    reordered: worst(({ reordered }) => reordered),
    misaligned: worst(({ misaligned }) => misaligned),
    markedSplices: worst(({ marked }) => marked),
  };
}

/** All players leave; what is then left of the stream, after the grace period and a second. */
async function leaveAll(
  lab: Lab,
): Promise<Pick<ChaosResult, 'sessionsLeft' | 'keysLeft' | 'maxReaders' | 'violations'>> {
  for (const player of lab.players) player.leave();
  await lab.proxy.untilNoKeys(LEAVE_TIMEOUT_MS).catch(() => undefined);
  await Promise.all(lab.engines.map((engine) => engine.untilClean(1_000).catch(() => undefined)));
  const { engines, proxy } = lab;
  return {
    sessionsLeft: engines.reduce((sum, engine) => sum + liveSessions(engine), 0),
    keysLeft: (await proxy.keys()).length,
    maxReaders: Math.max(...engines.map(({ witness }) => witness.maxReadersPerSession)),
    violations: engines.flatMap(({ witness }) => witness.violations),
  };
}

const LEAVE_TIMEOUT_MS = 4_000;

function liveSessions(engine: SimulatedEngine): number {
  return engine.witness.sessions.filter(({ stoppedAt }) => stoppedAt === null).length;
}
