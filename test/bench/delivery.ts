import { setTimeout as delay } from 'node:timers/promises';
import { CpuMeter, residentBytes, sum } from './cpu.js';
import { closePlayers, contentId, measurePlayers, openPlayers, type Lab } from './lab.js';
import type { MeasureReport } from './load.js';
import { readRedis, redisRates } from './redis-traffic.js';
import { spreadOf, type Spread } from './stats.js';
import type { Target } from './targets.js';

/** Streams that play to players who take everything. */
export interface DeliverySpec {
  readonly name: string;
  readonly streams: number;
  /** Players of each stream. */
  readonly each: number;
  /** bit/s of each stream. */
  readonly bitrate: number;
}

/** One target's row. Cores are averages over the measurement. */
export interface DeliveryResult {
  readonly scenario: string;
  readonly target: string;
  readonly clients: number;
  readonly cores: Readonly<Record<string, number>>;
  readonly totalCores: number;
  /** Per byte delivered, against the baseline of the same scenario in the same run. */
  readonly ratio: number;
  /** What all players got, of the stream's rate. */
  readonly delivered: number;
  readonly loadCores: number;
  readonly sourceCores: number;
  /** Players that got at least 98 % of the stream's rate, of all; more is the end of catching up. */
  readonly sustained: number;
  readonly slowestRate: number;
  readonly failed: number;
  /** ms, engine's write to player's read. */
  readonly latency: Readonly<Record<'all' | 'owner' | 'follower', Spread>>;
  /** ms, of each player's longest. */
  readonly gap: Spread;
  /** Resident bytes by role with all players; and per player that came after the first part, without Redis. */
  readonly memory: Readonly<Record<string, number>>;
  readonly bytesPerClient: number | null;
  readonly redis: ReturnType<typeof redisRates> | null;
  /** Workers that died meanwhile: then the row says what an overload does, not what it costs. */
  readonly workersLost: number;
}

const TOLERANCE = 0.02;
const GOP_SECONDS = 2;
/** The memory of a player is the slope between this many and all. */
const FIRST_PART = 500;
const CONNECTS_PER_SECOND = 500;
/**
 * bytes; a worker keeps as much of each stream (`MEMORY_BYTES` in stream-session.ts). While that fills, every byte
 * is read into fresh memory, whose pages the kernel clears first: an eighth of a worker's time, and not
 * what it costs to run.
 */
const STREAM_MEMORY = 8 * 1_048_576;
/** ms beyond that; the join's cushion is caught up with, garbage has been collected once. */
const SETTLE_MS = 3_000;
const SAMPLING = 8;

/** The same audience for the baseline and every proxy, one after another. */
export async function runDelivery(lab: Lab, spec: DeliverySpec): Promise<DeliveryResult[]> {
  const streams = Array.from({ length: spec.streams }, (_, i) => contentId(`${spec.name} ${i}`));
  let rate = 0;
  for (const id of streams) {
    rate = await lab.source.call('stamped', { id, bitrate: spec.bitrate, gop: GOP_SECONDS });
  }
  const results: DeliveryResult[] = [];
  const others = lab.others.filter(({ mostStreams = spec.streams }) => mostStreams >= spec.streams);
  for (const target of [lab.baseline, ...lab.proxies, ...others]) {
    results.push(await deliver(lab, target, { spec, streams, rate }));
  }
  const [baseline] = results;
  const cost = ({ totalCores, delivered }: DeliveryResult): number => totalCores / delivered;
  return results.map((each) => ({ ...each, ratio: cost(each) / cost(baseline ?? each) }));
}

/** For each target the round with the median ratio; of the baseline the one with its median cores. */
export function medianRound(rounds: readonly DeliveryResult[][]): DeliveryResult[] {
  const targets = rounds[0] ?? [];
  return targets.map((_, i) => {
    const of = ({ ratio, totalCores }: DeliveryResult): number => (i === 0 ? totalCores : ratio);
    const sorted = rounds.flatMap((round) => round[i] ?? []).sort((a, b) => of(a) - of(b));
    return sorted[Math.floor(sorted.length / 2)] as DeliveryResult;
  });
}

interface Delivery {
  readonly spec: DeliverySpec;
  readonly streams: readonly string[];
  /** Bytes per second of one stream. */
  readonly rate: number;
}

async function deliver(lab: Lab, target: Target, delivery: Delivery): Promise<DeliveryResult> {
  const { spec, streams, rate } = delivery;
  const audience = { streams, perSecond: CONNECTS_PER_SECOND, sampling: 0 };
  const sampling = Math.max(1, Math.floor(SAMPLING / streams.length));
  const first = Math.min(FIRST_PART, spec.each);
  const lostBefore = workersLost(target);
  await target.prepare?.(streams, rate);
  let { failed } = await openPlayers(lab, target, { ...audience, each: first, sampling });
  const settleMs = (STREAM_MEMORY / rate) * 1_000 + SETTLE_MS;
  await delay(settleMs);
  const before = memoryOf(target);
  if (spec.each > first) {
    const more = { ...audience, each: spec.each - first, label: 'more' };
    failed += (await openPlayers(lab, target, more)).failed;
    await delay(settleMs);
  }
  const measured = await meter(lab, target);
  const memory = memoryOf(target);
  const followers = target.proxy ? await labelsOfFollowers(target, streams) : new Set<string>();
  await closePlayers(lab, target);
  const further = spec.each - first;
  return {
    scenario: spec.name,
    target: target.name,
    clients: spec.each * spec.streams,
    failed,
    ...measured.cpu,
    ratio: 1,
    ...judge(measured.report, rate),
    latency: latencies(measured.report, followers),
    memory,
    bytesPerClient: further > 0 ? (ofPlayers(memory) - ofPlayers(before)) / further : null,
    redis: measured.redis,
    workersLost: workersLost(target) - lostBefore,
  };
}

function workersLost({ proxy }: Target): number {
  return proxy?.tree.find('a worker is gone').length ?? 0;
}

async function meter(lab: Lab, target: Target) {
  const { proxy } = target;
  const redisBefore = proxy && (await readRedis(proxy));
  const own = new CpuMeter(target.roles());
  const others = new CpuMeter({
    load: lab.loads.map(({ pid }) => pid),
    source: [lab.source.pid],
  });
  const report = await measurePlayers(lab);
  const cores = own.cores();
  const { load = 0, source = 0 } = others.cores();
  const redisAfter = proxy && (await readRedis(proxy));
  return {
    report,
    cpu: { cores, totalCores: sum(cores), loadCores: load, sourceCores: source },
    redis: redisBefore && redisAfter && redisRates(redisBefore, redisAfter, lab.seconds),
  };
}

function judge(
  { clients }: MeasureReport,
  rate: number,
): Pick<DeliveryResult, 'delivered' | 'sustained' | 'slowestRate' | 'gap'> {
  const open = clients.filter(({ closed }) => !closed);
  const kept = open.filter((client) => client.rate / rate >= 1 - TOLERANCE);
  return {
    delivered: open.reduce((sum, client) => sum + client.rate, 0) / rate / clients.length,
    sustained: kept.length / clients.length,
    slowestRate: Math.min(...clients.map((client) => client.rate / rate)),
    gap: spreadOf(clients.map(({ longestGapMs }) => longestGapMs)),
  };
}

function latencies(
  { latencies }: MeasureReport,
  followers: ReadonlySet<string>,
): DeliveryResult['latency'] {
  const of = (wanted: (label: string) => boolean): Spread =>
    spreadOf(Object.entries(latencies).flatMap(([label, ms]) => (wanted(label) ? ms : [])));
  return {
    all: of(() => true),
    owner: of((label) => !followers.has(label)),
    follower: of((label) => followers.has(label)),
  };
}

/** Redis is still filling the stream's ring (60 s); of a player it holds a lease, 0.6 KB. */
function ofPlayers(memory: Readonly<Record<string, number>>): number {
  return sum(memory) - (memory['redis'] ?? 0);
}

/** Players are recognised by their User-Agent in the records that the proxy keeps of them. */
async function labelsOfFollowers(
  { proxy }: Target,
  streams: readonly string[],
): Promise<Set<string>> {
  const labels = new Set<string>();
  if (proxy === null) return labels;
  for (const stream of streams) {
    const prefix = `ace_proxy:stream:${stream}`;
    const owner = await proxy.look.get(`${prefix}:owner`);
    for (const client of await proxy.look.smembers(`${prefix}:clients`)) {
      const fields = await proxy.look.hmget(
        `${prefix}:clients:${client}`,
        'user_agent',
        'worker_id',
      );
      if (fields[0] && fields[1] !== owner) labels.add(fields[0]);
    }
  }
  return labels;
}

function memoryOf(target: Target): Record<string, number> {
  return Object.fromEntries(
    Object.entries(target.roles()).map(([role, pids]) => [role, residentBytes(pids)]),
  );
}
