import type { DeliveryResult } from './delivery.js';
import type { FrameResult } from './frames.js';
import type { JoinResult, SlowResult, StartResult } from './joins.js';
import type { Spread } from './stats.js';

const MIB = 1_048_576;

function table(title: string, header: readonly string[], rows: readonly string[][]): string {
  const all = [header, ...rows];
  const widths = header.map((_, i) => Math.max(...all.map((row) => (row[i] ?? '').length)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ');
  return `\n${title}\n${all.map(line).join('\n')}\n`;
}

const ms = (value: number): string => `${value.toFixed(value < 10 ? 1 : 0)} ms`;
const spread = ({ p50, p99, max }: Spread): string[] => [ms(p50), ms(p99), ms(max)];

export function deliveryTable(results: readonly DeliveryResult[]): string {
  const header = [
    ...['target', 'clients', 'cores', 'ratio', 'workers', 'redis', 'primary', 'load', 'source'],
    ...[
      'delivered',
      'at full rate',
      'slowest',
      'p50',
      'p99',
      'follower p50',
      'p99',
      'gap',
      'KiB/client',
    ],
  ];
  const rows = results.map((each) => [
    each.target,
    String(each.clients),
    each.totalCores.toFixed(2),
    each.ratio.toFixed(2),
    ...[
      each.cores['workers'] ??
        each.cores['baseline'] ??
        each.cores['acexy'] ??
        each.cores['icecast'] ??
        each.cores['nginx'],
      each.cores['redis'],
      each.cores['primary'],
    ].map((cores) => cores?.toFixed(2) ?? ''),
    each.loadCores.toFixed(2),
    each.sourceCores.toFixed(2),
    `${(each.delivered * 100).toFixed(1)} %`,
    each.sustained === 1 ? 'all' : `${(each.sustained * 100).toFixed(1)} % NOT SUSTAINED`,
    `${(each.slowestRate * 100).toFixed(1)} %`,
    ...[each.latency.owner, each.latency.follower].flatMap(({ count, p50, p99 }) =>
      count > 0 ? [ms(p50), ms(p99)] : ['', ''],
    ),
    ms(each.gap.max),
    each.bytesPerClient === null ? '' : (each.bytesPerClient / 1_024).toFixed(1),
  ]);
  const traffic = results.flatMap(({ redis, target }) =>
    redis === null
      ? []
      : `  Redis of ${target}: ${redis.commands.toFixed(0)} commands/s, ` +
        `in ${(redis.inBytes / MIB).toFixed(2)} MiB/s, out ${(redis.outBytes / MIB).toFixed(2)} MiB/s\n`,
  );
  const lost = results
    .filter(({ workersLost }) => workersLost > 0)
    .map(({ target, workersLost }) => `  ${target}: ${workersLost} workers died: overload\n`);
  return table(results[0]?.scenario ?? '', header, rows) + traffic.join('') + lost.join('');
}

export function joinTable(title: string, results: readonly JoinResult[]): string {
  return table(
    title,
    ['target', 'first byte p50', 'p99', 'max', 'served', 'failed'],
    results.map(({ target, firstByte, failed }) => [
      target,
      ...spread(firstByte),
      String(firstByte.count),
      String(failed),
    ]),
  );
}

export function slowTable(results: readonly SlowResult[]): string {
  return table(
    "one of 50 takes a tenth: the others' longest gaps",
    ['target', 'without p50', 'p99', 'max', 'with p50', 'p99', 'max'],
    results.map((each) => [each.target, ...spread(each.before), ...spread(each.with)]),
  );
}

export function frameTable(results: readonly FrameResult[]): string {
  return table(
    'first decoded picture, keyframes 5 s apart',
    ['target', 'p50', 'p99', 'max', 'from a file', 'joins', 'bad', 'decoded 2 s', 'decoder errors'],
    results.map(({ target, firstFrame, ownMs, bad, decoded, decoderErrors }) => [
      target,
      ...spread(firstFrame),
      ms(ownMs),
      ...[firstFrame.count, bad, decoded, decoderErrors.length].map(String),
    ]),
  );
}

export function startTable(result: StartResult): string {
  return table(
    'start',
    ['target', 'all workers serve', 'first media of a new stream'],
    [[result.target, ms(result.serving), ms(result.coldJoin)]],
  );
}
