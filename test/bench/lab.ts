import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { BenchProcess } from './processes.js';
import { startAcexy } from './acexy.js';
import { startIcecast } from './icecast.js';
import { startNginx } from './nginx.js';
import type { LoadMethods, MeasureReport, OpenReport } from './load.js';
import type { SourceMethods } from './source.js';
import { startBaseline, startProxyTarget, type Target } from './targets.js';

/** What all scenarios share: one source, the load generators, everything that is compared. */
export interface Lab {
  readonly source: BenchProcess<SourceMethods>;
  readonly engine: string;
  readonly loads: readonly BenchProcess<LoadMethods>[];
  readonly baseline: Target;
  readonly proxies: readonly Target[];
  /** What else the machine has to compare with. */
  readonly others: readonly Target[];
  /** Seconds that a measurement takes. */
  readonly seconds: number;
  stop(): Promise<void>;
}

export interface LabOptions {
  /** One proxy is started for each of these numbers of workers. */
  readonly workers: readonly number[];
  readonly seconds: number;
  /** Whether to measure other broadcasters too. */
  readonly compare: boolean;
  readonly env: Readonly<Record<string, string>>;
}

/** Two load generators, so that neither one is the limit. */
const LOADS = 2;

export async function startLab({ workers, seconds, env, compare }: LabOptions): Promise<Lab> {
  const source = new BenchProcess<SourceMethods>('./source.ts');
  const loads = Array.from({ length: LOADS }, () => new BenchProcess<LoadMethods>('./load.ts'));
  const engine = await source.call('start', null);
  const baseline = await startBaseline(engine);
  const proxies: Target[] = [];
  for (const count of workers) proxies.push(await startProxyTarget(engine, count, env));
  const compared = compare
    ? [await startAcexy(engine), await startIcecast(engine), await startNginx(seconds)]
    : [];
  const others = compared.filter((each) => each !== null);
  const stop = async (): Promise<void> => {
    await Promise.all([baseline, ...proxies, ...others, ...loads].map((each) => each.stop()));
    await source.stop();
  };
  return { source, engine, loads, baseline, proxies, others, seconds, stop };
}

export function contentId(name: string): string {
  return createHash('sha1').update(name).digest('hex');
}

export interface Audience {
  readonly streams: readonly string[];
  readonly each: number;
  readonly perSecond: number;
  readonly sampling: number;
  readonly limit?: number;
  readonly label?: string;
}

const OPEN_TIMEOUT_MS = 30_000;

/** Opens players of a target, half of each stream's on each load generator. */
export async function openPlayers(
  lab: Lab,
  target: Target,
  audience: Audience,
): Promise<OpenReport> {
  const { streams, each, perSecond, sampling, limit = 0, label = 'bench' } = audience;
  const shares = lab.loads.map((_, i) => Math.floor((each + i) / lab.loads.length));
  const reports = await Promise.all(
    lab.loads.map((load, i) =>
      load.call('open', {
        port: target.port,
        paths: streams.map((stream) => target.path(stream)),
        each: shares[i] ?? 0,
        perSecond: perSecond / lab.loads.length,
        sampling,
        label: `${label}-${i}`,
        limit,
        timeoutMs: OPEN_TIMEOUT_MS,
      }),
    ),
  );
  return {
    firstByteMs: reports.flatMap(({ firstByteMs }) => firstByteMs),
    failed: reports.reduce((total, { failed }) => total + failed, 0),
  };
}

export async function measurePlayers(lab: Lab): Promise<MeasureReport> {
  const ms = lab.seconds * 1_000;
  const reports = await Promise.all(lab.loads.map((load) => load.call('measure', { ms })));
  return {
    clients: reports.flatMap(({ clients }) => clients),
    latencies: Object.assign({}, ...reports.map(({ latencies }) => latencies)) as Record<
      string,
      number[]
    >,
  };
}

/** All players leave; resolves when the target has let go of its streams, and says so if it did not. */
export async function closePlayers(lab: Lab, target: Target): Promise<void> {
  await Promise.all(lab.loads.map((load) => load.call('close', null)));
  await target.proxy?.untilNoKeys(CLOSE_TIMEOUT_MS).catch((error: unknown) => {
    process.stderr.write(`${target.name}: ${String(error)}\n`);
  });
  await delay(SETTLE_AFTER_MS);
}

const CLOSE_TIMEOUT_MS = 20_000;
const SETTLE_AFTER_MS = 300;
