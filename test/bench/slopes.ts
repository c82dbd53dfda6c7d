import { cpus, release } from 'node:os';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { linearFit } from '../helpers/linear-fit.js';
import { sampleAtRest } from '../soak/sample.js';
import { CpuMeter, residentBytes } from './cpu.js';
import { contentId } from './lab.js';
import type { LoadMethods } from './load.js';
import { BenchProcess } from './processes.js';
import { readRedis, redisRates } from './redis-traffic.js';
import type { SourceMethods } from './source.js';
import { startProxyTarget, type Target } from './targets.js';

const HELP = `Measures what one more client and one more stream cost: several points each, and a straight line through them.

  npm run slopes -- [--only clients,streams,fast,followers] [--json]

  clients  one stream of 1 Mbit/s, 1 to 1,001 players on two workers
  streams  0 to 16 streams of 2 Mbit/s, each with a player on both workers
  fast     the same with 8 Mbit/s, 0 to 9 streams
  followers  6 streams of 8 Mbit/s, each with 0 to 4 workers that follow

Memory of the proxy is what its processes hold after a forced collection of garbage; RSS is what the system counts.
The margin holds the true slope in 19 of 20 cases, as far as the points tell. Rings last 5 s here.
`;

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: 'clients,streams,fast,followers' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const PROBE = fileURLToPath(new URL('../soak/probe.mjs', import.meta.url));
const MEGABIT = 1_000_000;
const RING_SECONDS = 5;
const WORKERS = 2;
/** ms over which rates are measured. */
const WINDOW_MS = 2_500;

/** What grows from point to point. */
interface Point {
  readonly x: number;
  readonly [what: string]: number;
}

interface Series {
  readonly unit: string;
  readonly points: readonly number[];
  readonly bitrate: number;
  readonly workers?: number;
  /** Brings the audience from the point before to this one. */
  readonly grow: (bench: Bench, from: number, to: number) => Promise<void>;
  /** ms until a new point has settled: rings are full, starts are over. */
  readonly settleMs: number;
}

interface Bench {
  readonly target: Target;
  readonly load: BenchProcess<LoadMethods>;
  readonly source: BenchProcess<SourceMethods>;
}

const SERIES: Readonly<Record<string, Series>> = {
  clients: {
    unit: 'client',
    points: [1, 251, 501, 751, 1_001],
    bitrate: MEGABIT,
    grow: (bench, from, to) => openPlayers(bench, [contentId('slope-0')], to - from),
    settleMs: 1_500,
  },
  streams: {
    unit: 'stream',
    points: [0, 4, 8, 12, 16],
    bitrate: 2 * MEGABIT,
    grow: openStreams,
    settleMs: (RING_SECONDS + 1) * 1_000,
  },
  fast: {
    unit: 'stream',
    points: [0, 3, 6, 9],
    bitrate: 8 * MEGABIT,
    grow: openStreams,
    settleMs: (RING_SECONDS + 1) * 1_000,
  },
  followers: {
    unit: 'follower of each',
    points: [1, 2, 3, 4, 5],
    bitrate: 8 * MEGABIT,
    workers: 5,
    // Six streams on five workers: each time a stream's next player is dealt to the next worker.
    grow: (bench, from, to) => openPlayers(bench, slopeStreams(0, 6), to - from),
    settleMs: 2_500,
  },
};

async function openPlayers({ target, load }: Bench, streams: string[], each: number) {
  const { failed } = await load.call('open', {
    port: target.port,
    paths: streams.map((stream) => target.path(stream)),
    each,
    perSecond: 500,
    sampling: 0,
    label: 'slope',
    limit: 0,
    timeoutMs: 15_000,
  });
  if (failed > 0) throw new Error(`${String(failed)} players got nothing`);
}

/** Connections are dealt in turn, so two players of a stream are on the two workers. */
async function openStreams(bench: Bench, from: number, to: number): Promise<void> {
  const streams = slopeStreams(from, to);
  if (streams.length > 0) await openPlayers(bench, streams, WORKERS);
}

function slopeStreams(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => contentId(`slope-${String(from + i)}`));
}

async function measure(bench: Bench, x: number, folder: string): Promise<Point> {
  const { target } = bench;
  const proxy = target.proxy;
  if (proxy === null) throw new Error('there is no proxy');
  const roles = target.roles();
  const nodes = [...(roles['primary'] ?? []), ...(roles['workers'] ?? [])];
  const before = await readRedis(proxy);
  const meter = new CpuMeter(roles);
  await delay(WINDOW_MS);
  const cores = meter.cores();
  const after = await readRedis(proxy);
  const rates = redisRates(before, after, WINDOW_MS / 1_000);
  const held = await sampleAtRest(proxy, { folder, at: 0, survivors: new Set(nodes) });
  const nodesHeld = [...held.processes.values()];
  return {
    x,
    'proxy memory, KB':
      nodesHeld.reduce((sum, each) => sum + each.heapUsed + each.external, 0) / 1_024,
    'proxy RSS, KB': residentBytes(nodes) / 1_024,
    descriptors: nodes.reduce((sum, pid) => sum + readdirSync(`/proc/${String(pid)}/fd`).length, 0),
    'primary, cores': cores['primary'] ?? 0,
    'workers, cores': cores['workers'] ?? 0,
    'Redis, cores': cores['redis'] ?? 0,
    'Redis memory, KB': after.usedBytes / 1_024,
    'Redis keys': held.redis.keys,
    'Redis connections': held.redis.connections,
    'Redis commands/s': rates.commands,
    'notices/s': rates.calls['publish'] ?? 0,
    'Redis in, KB/s': rates.inBytes / 1_024,
    'Redis out, KB/s': rates.outBytes / 1_024,
  };
}

async function runSeries(series: Series): Promise<Point[]> {
  const folder = mkdtempSync(join(tmpdir(), 'slopes-'));
  const source = new BenchProcess<SourceMethods>('./source.ts');
  const load = new BenchProcess<LoadMethods>('./load.ts');
  const engine = await source.call('start', null);
  const target = await startProxyTarget(engine, series.workers ?? WORKERS, {
    NODE_OPTIONS: `--import=${PROBE}`,
    SOAK_PROBE_FOLDER: folder,
    PROXY_BUFFER_TTL: String(RING_SECONDS),
    // One heartbeat per window.
    PROXY_HEARTBEAT_INTERVAL: String(WINDOW_MS / 1_000),
    // Followers are what is measured.
    PROXY_GATHER: '0',
  });
  try {
    for (let n = 0; n <= Math.max(...series.points) && n < 64; n++) {
      const id = contentId(`slope-${String(n)}`);
      await source.call('stamped', { id, bitrate: series.bitrate, gop: 1 });
    }
    const points: Point[] = [];
    let from = 0;
    for (const x of series.points) {
      await series.grow({ target, load, source }, from, x);
      from = x;
      await delay(series.settleMs);
      points.push(await measure({ target, load, source }, x, folder));
    }
    return points;
  } finally {
    await load.stop();
    await target.stop();
    await source.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function table(name: string, { unit, bitrate }: Series, points: readonly Point[]): string {
  const at = points.map(({ x }) => x).join(', ');
  const lines = Object.keys(points[0] ?? {})
    .filter((what) => what !== 'x')
    .map((what) => {
      const fit = linearFit(points.map((point) => [point.x, point[what] ?? 0] as const));
      const cells = [fit.intercept, fit.slope, fit.margin, fit.residual].map(short);
      return row([what, ...cells]);
    });
  const title = `${name}: ${at} of ${String(bitrate / MEGABIT)} Mbit/s`;
  return [`\n${title}\n`, row(['', 'at 0', `per ${unit}`, '±', 'residual']), ...lines].join('');
}

function short(value: number): string {
  return Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
}

function row([what = '', ...cells]: readonly string[]): string {
  return `${what.padEnd(20)}${cells.map((cell) => cell.padStart(18)).join('')}\n`;
}

if (values.help) process.stdout.write(HELP);
else {
  const machine = `${String(cpus().length)} × ${cpus()[0]?.model ?? '?'}, Linux ${release()}, Node ${process.version}`;
  process.stdout.write(`${new Date().toISOString()}  ${machine}\n`);
  for (const name of values.only.split(',')) {
    const series = SERIES[name];
    if (series === undefined) throw new Error(`there is no series ${name}; see --help`);
    const points = await runSeries(series);
    process.stdout.write(
      values.json ? `${JSON.stringify({ name, points })}\n` : table(name, series, points),
    );
  }
}
