import { readFileSync } from 'node:fs';
import { startEngine, type SimulatedEngine } from '../simulator/engine.js';
import { startProxy, type Proxy } from '../helpers/proxy.js';
import { startRedis, type TestRedis } from '../helpers/redis-server.js';
import { until } from '../helpers/until.js';
import { groupResult, namesAtOwner, Spectator, type GroupResult } from './audience.js';

export const CHANNEL = 'feedfacefeedfacefeedfacefeedfacefeedface';

/** What a fault is injected into: engines, the proxy's process tree, its Redis, its players. */
export interface Lab {
  readonly engines: readonly SimulatedEngine[];
  readonly proxy: Proxy;
  /** Another host's proxy on the same Redis, where the case wants one. */
  readonly secondHost: Proxy | null;
  /** Replaced by a fault that restarts it. */
  redis: TestRedis;
  readonly players: readonly Spectator[];
  readonly ownerPid: number;
}

export interface ChaosCase {
  /** A sentence fragment: "the owner is killed". */
  readonly fault: string;
  readonly engines?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Half of the players watch through a second host; the owner is on the first. */
  readonly secondHost?: boolean;
  /** Injects the fault and undoes what must be undone; resolves when it is over. Throws what is wrong. */
  readonly inject: (lab: Lab) => Promise<void> | void;
  /** ms that the longest silence of any player may take. */
  readonly maxGapMs: number;
  /** The same for players of the owner's worker, where they may notice less. */
  readonly maxGapAtOwnerMs?: number;
  /** True when not a single packet may be missing or marked. */
  readonly exact?: boolean;
  /** True when the engine, not the proxy, ended sessions (restart): then starts exceed stops. */
  readonly engineForgets?: boolean;
  /** The sockets of the first host's players are lost with it; they are not counted. */
  readonly hostIsLost?: boolean;
  /** What the engine's witness may complain of in this case, with the reason beside it. */
  readonly tolerates?: RegExp;
  /** Takes so long that only the program runs it. */
  readonly long?: boolean;
}

/** One row of the chaos report. */
export interface ChaosResult {
  readonly fault: string;
  readonly players: number;
  readonly socketsClosed: number;
  readonly atOwner: GroupResult;
  readonly atFollowers: GroupResult;
  /** Twice, out of order, off the 188-byte grid: the worst player's. */
  readonly duplicated: number;
  readonly reordered: number;
  readonly misaligned: number;
  /** Engine sessions, of all engines together. */
  readonly sessionsStarted: number;
  readonly sessionsStopped: number;
  readonly sessionsLeft: number;
  readonly keysLeft: number;
  /** Connections of players and to engines that are open after all players have left. */
  readonly socketsLeft: number;
  readonly maxReaders: number;
  readonly violations: readonly string[];
  readonly seconds: number;
}

export interface LabOptions {
  readonly players: number;
  /** bit/s */
  readonly bitrate: number;
  readonly workers: number;
}

/** Media that must flow again at every player after the fault, in seconds. */
const RECOVERY_SECONDS = 2;
const RECOVERY_TIMEOUT_MS = 25_000;
const LEAVE_TIMEOUT_MS = 4_000;

export async function runCase(chaos: ChaosCase, options: LabOptions): Promise<ChaosResult> {
  const startedAt = Date.now();
  const engines = await Promise.all(
    Array.from({ length: chaos.engines ?? 1 }, () =>
      startEngine({ source: 'stamped', bitrate: options.bitrate, gop: 0.5, prebufferMs: 50 }),
    ),
  );
  const redis = await startRedis();
  const hosts: Proxy[] = [];
  const players: Spectator[] = [];
  let lab: Lab | null = null;
  try {
    for (let n = 0; n < (chaos.secondHost === true ? 2 : 1); n++) {
      hosts.push(
        await startProxy({
          ...{ engines, redis, workers: options.workers },
          ...(chaos.env && { env: chaos.env }),
        }),
      );
    }
    const [proxy, secondHost = null] = hosts as [Proxy, Proxy?];
    const second = options.bitrate / 8;
    // The first player's host owns the stream.
    for (let n = 0; n < options.players; n++) {
      const host = hosts[n % hosts.length] ?? proxy;
      players.push(new Spectator(host.media(CHANNEL), `player-${String(n)}`));
      if (n === 0) await players[0]?.untilBytes(1, 15_000);
    }
    await Promise.all(players.map((player) => player.untilBytes(second * 2, 15_000)));
    const ownerPid = await proxy.ownerPid(CHANNEL);
    const atOwner = await namesAtOwner(proxy, CHANNEL);
    lab = { engines, proxy, secondHost, redis, players, ownerPid };
    for (const player of players) player.resetGap();
    const wrong = await injected(chaos, lab);
    const survivors = chaos.hostIsLost === true ? players.filter((_, n) => n % 2 === 1) : players;
    const alive = survivors.filter(({ closed }) => !closed);
    await Promise.all(alive.map((player) => untilRecovered(player, second * RECOVERY_SECONDS)));
    const measured = measure(survivors, atOwner);
    const left = await leaveAll(lab);
    return {
      fault: chaos.fault,
      ...measured,
      ...left,
      violations: [...wrong, ...left.violations.filter((text) => !chaos.tolerates?.test(text))],
      seconds: Math.round((Date.now() - startedAt) / 100) / 10,
    };
  } finally {
    for (const player of players) player.leave();
    await Promise.all(hosts.map((host) => host.stop()));
    // A fault may have put another one in its place.
    await (lab ?? { redis }).redis.stop();
    await Promise.all(engines.map((engine) => engine.stop()));
  }
}

async function injected(chaos: ChaosCase, lab: Lab): Promise<string[]> {
  try {
    await chaos.inject(lab);
    return [];
  } catch (thrown) {
    return [thrown instanceof Error ? thrown.message : String(thrown)];
  }
}

async function untilRecovered(player: Spectator, bytes: number): Promise<void> {
  const before = player.bytes;
  await until(
    'media flows again',
    () => player.closed || player.bytes - before >= bytes,
    RECOVERY_TIMEOUT_MS,
  ).catch(() => undefined);
}

type Measured = Pick<
  ChaosResult,
  | 'players'
  | 'socketsClosed'
  | 'atOwner'
  | 'atFollowers'
  | 'duplicated'
  | 'reordered'
  | 'misaligned'
>;

function measure(players: readonly Spectator[], atOwner: ReadonlySet<string>): Measured {
  const reports = players.map((player) => player.report());
  const worst = (pick: (report: (typeof reports)[number]) => number): number =>
    Math.max(...reports.map(pick));
  return {
    players: players.length,
    socketsClosed: players.filter(({ closed }) => closed).length,
    atOwner: groupResult(players.filter(({ name }) => atOwner.has(name))),
    atFollowers: groupResult(players.filter(({ name }) => !atOwner.has(name))),
    duplicated: worst(({ duplicated }) => duplicated),
    reordered: worst(({ reordered }) => reordered),
    misaligned: worst(({ misaligned }) => misaligned),
  };
}

type Left = Pick<
  ChaosResult,
  | 'sessionsStarted'
  | 'sessionsStopped'
  | 'sessionsLeft'
  | 'keysLeft'
  | 'socketsLeft'
  | 'maxReaders'
  | 'violations'
>;

/** All players leave; what is then left of the stream, after the grace period and a second. */
async function leaveAll(lab: Lab): Promise<Left> {
  for (const player of lab.players) player.leave();
  await lab.proxy.untilNoKeys(LEAVE_TIMEOUT_MS).catch(() => undefined);
  await Promise.all(lab.engines.map((engine) => engine.untilClean(1_000).catch(() => undefined)));
  const { engines, proxy, secondHost } = lab;
  const sessions = engines.flatMap(({ witness }) => witness.sessions);
  const ports = [proxy.port, secondHost?.port ?? 0];
  return {
    sessionsStarted: sessions.length,
    sessionsStopped: sessions.filter(({ how }) => how === 'stop').length,
    sessionsLeft: sessions.filter(({ stoppedAt }) => stoppedAt === null).length,
    keysLeft: (await proxy.keys()).length,
    socketsLeft: engines.reduce((sum, { witness }) => sum + witness.openSockets, openOn(ports)),
    maxReaders: Math.max(...engines.map(({ witness }) => witness.maxReadersPerSession)),
    violations: engines.flatMap(({ witness }) => witness.violations),
  };
}

/** TCP connections of these local ports that somebody still holds: established, or half closed. */
function openOn(ports: readonly number[]): number {
  const [, ...lines] = readFileSync('/proc/self/net/tcp', 'latin1').trim().split('\n');
  return lines.filter((line) => {
    const [, local = '', , state = ''] = line.trim().split(/\s+/);
    const port = Number.parseInt(local.split(':')[1] ?? '', 16);
    return ports.includes(port) && ['01', '08'].includes(state);
  }).length;
}
