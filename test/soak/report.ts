import { linearFit } from '../helpers/linear-fit.js';
import type { ProcessSample, RestSample } from './sample.js';

/** One number over the run. */
export interface Trend {
  readonly who: string;
  readonly what: string;
  readonly first: number;
  readonly last: number;
  /** Per hour, and half of the interval that holds it in 19 of 20 cases. */
  readonly perHour: number;
  readonly margin: number;
  readonly grows: boolean;
}

const HOUR_MS = 3_600_000;

/**
 * What may come together over a run without being called a growth: the size of the steps in which the
 * thing comes and goes. RSS is shown and not judged: the allocator gives pages back when it likes.
 */
const TOLERANCE: Readonly<Record<string, number>> = {
  'heap, KB': 1_024,
  'buffers, KB': 512,
  handles: 4,
  descriptors: 4,
  'memory, KB': 768,
  keys: 2,
  connections: 2,
};

/** Rest by rest, of the processes that lived from the first rest to the last. */
export function trendsOf(samples: readonly RestSample[]): readonly Trend[] {
  const [first] = samples;
  if (first === undefined) return [];
  const pids = [...first.processes.keys()].filter((pid) =>
    samples.every(({ processes }) => processes.has(pid)),
  );
  const ofProcess = (who: string, pid: number): Trend[] => {
    const of = (what: string, pick: (sample: ProcessSample) => number): Trend =>
      trend(who, what, samples, ({ processes }) => pick(processes.get(pid) as ProcessSample));
    return [
      of('heap, KB', ({ heapUsed }) => heapUsed / 1_024),
      of('buffers, KB', ({ external }) => external / 1_024),
      of('RSS, KB', ({ rss }) => rss / 1_024),
      of('handles', ({ handles }) => handles),
      of('descriptors', ({ descriptors }) => descriptors),
    ];
  };
  return [
    ...pids.flatMap((pid, i) => ofProcess(i === 0 ? 'primary' : `worker ${String(i)}`, pid)),
    trend('Redis', 'memory, KB', samples, ({ redis }) => redis.used / 1_024),
    trend('Redis', 'keys', samples, ({ redis }) => redis.keys),
    trend('Redis', 'connections', samples, ({ redis }) => redis.connections),
  ];
}

function trend(
  who: string,
  what: string,
  samples: readonly RestSample[],
  pick: (sample: RestSample) => number,
): Trend {
  const values = samples.map(pick);
  const fit = linearFit(samples.map((sample, i) => [sample.at / HOUR_MS, values[i] ?? 0] as const));
  const hours = ((samples.at(-1)?.at ?? 0) - (samples[0]?.at ?? 0)) / HOUR_MS;
  const tolerance = TOLERANCE[what] ?? Infinity;
  return {
    ...{ who, what, first: values[0] ?? 0, last: values.at(-1) ?? 0 },
    ...{ perHour: fit.slope, margin: fit.margin },
    grows: fit.slope - fit.margin > 0 && fit.slope * hours > tolerance,
  };
}

export function table(trends: readonly Trend[]): string {
  const head = row(['', '', 'first rest', 'last rest', 'per hour', '±', '']);
  const rows = trends.map(({ who, what, first, last, perHour, margin, grows }) =>
    row([who, what, ...[first, last, perHour, margin].map(whole), grows ? 'GROWS' : '']),
  );
  return [head, ...rows].join('');
}

function whole(value: number): string {
  return Number.isFinite(value) ? Math.round(value).toLocaleString('en') : '?';
}

function row([who = '', what = '', ...numbers]: readonly string[]): string {
  return `${who.padEnd(10)}${what.padEnd(14)}${numbers.map((text) => text.padStart(12)).join('')}\n`;
}
