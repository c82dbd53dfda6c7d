import { readFileSync } from 'node:fs';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { RedisFailure } from '../redis/failures.js';

/** What the code that counts may know of a metric; prom-client stays in this folder. */
export interface CounterMetric {
  inc(by?: number): void;
}
export interface LabelledCounter<L extends string = string> {
  inc(label: L, by?: number): void;
}
export interface GaugeMetric {
  set(value: number): void;
}
export interface LabelledGauge<L extends string = string> {
  set(label: L, value: number): void;
}
export interface HistogramMetric {
  observe(value: number): void;
}

export interface LabelledHistogram<L extends string = string> {
  observe(label: L, value: number): void;
}

/** What a connection to Redis is for. */
export const REDIS_USES = ['control', 'data'] as const;
export type RedisUse = (typeof REDIS_USES)[number];

const STREAM_ROLES = ['owner', 'follower'] as const;
export type StreamRole = (typeof STREAM_ROLES)[number];

/** Seconds; a join of a running stream should answer within 50 ms (spec 5), a start may take 30 s. */
const JOIN_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Seconds; a clock reference is due every 0.1 s (ISO/IEC 13818-1, 2.7.2), broadcasters send 0.04. */
const PCR_BUCKETS = [0.01, 0.02, 0.04, 0.1, 0.2, 0.5, 1, 5];

/** Seconds; from one round trip on a host to the deadline of a command. */
const LATENCY_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** Values of one label at most: a word that an engine sent could be any. */
const MAX_LABEL_VALUES = 40;
const OTHER = 'other';

/** Prefix of every name: `ace_proxy_<thing>_<unit>[_total]`. */
const PREFIX = 'ace_proxy_';

/**
 * The metrics of one worker. No stream, client or engine is a label: their number has no bound, and
 * `GET /streams` says it better. Everything is summed over the workers unless its line says else.
 */
export class Metrics {
  readonly #registry = new Registry();

  readonly clients = this.#gauge('clients', 'Player connections that are being served.');
  readonly streams = this.#gaugeBy<StreamRole>(
    'streams',
    'Streams on the workers, by what the worker is for them.',
    'role',
    STREAM_ROLES,
  );
  readonly bytesOut = this.#counter('client_sent_bytes_total', 'Bytes written to players.');
  readonly bytesIn = this.#counter('engine_received_bytes_total', 'Bytes read from engines.');
  readonly chunksAppended = this.#counter('ring_appended_chunks_total', 'Chunks put into rings.');
  readonly chunksRead = this.#counter('ring_read_chunks_total', 'Chunks read out of rings.');
  readonly skips = this.#counter(
    'client_skips_total',
    'Times a client fell out of the ring and resumed at a newer keyframe.',
  );
  readonly gaps = this.#counter(
    'client_gaps_total',
    'Gaps of a second or more in which a client got null packets for want of media.',
  );
  readonly adopts = this.#counter(
    'client_adopts_total',
    'Clients that went on at another worker on the connection they had.',
  );
  readonly ghosts = this.#counter(
    'client_ghosts_total',
    'Clients closed because their socket took nothing for the ghost time.',
  );
  readonly engineStarts = this.#counter('engine_starts_total', 'Engine sessions started.');
  readonly engineStops = this.#counter('engine_stops_total', 'Engine sessions stopped.');
  readonly engineFaults = this.#counterBy(
    'engine_faults_total',
    'Ends of engine sessions nobody asked for, and starts that failed.',
    'reason',
  );
  readonly accessRefused = this.#counterBy(
    'access_refused_total',
    'Requests that were refused for what they showed or where they came from.',
    'code',
  );
  readonly streamLosses = this.#counterBy(
    'stream_losses_total',
    'Losses in what engines sent: continuity errors, transport errors, sync losses.',
    'kind',
  );
  readonly streamFaults = this.#counterBy(
    'stream_faults_total',
    'Lasting faults of streams that began, as GET /streams/{key} names them.',
    'fault',
  );
  readonly pcrInterval = this.#histogram(
    'stream_pcr_interval_seconds',
    'Longest interval of program clock references, every 10 s of each stream.',
    PCR_BUCKETS,
  );
  readonly pcrJitter = this.#histogram(
    'stream_pcr_jitter_seconds',
    'Jitter of the arrival against the program clock, every 10 s of each stream.',
    PCR_BUCKETS,
  );
  readonly ownershipChanges = this.#counter(
    'ownership_changes_total',
    'Locks won, lost and handed over.',
  );
  readonly takeovers = this.#counter(
    'ownership_takeovers_total',
    'Locks won of streams that another owner had begun.',
  );
  /** By Redis' clock, as each of the two workers knows it. */
  readonly followerLag = this.#histogram(
    'follower_read_lag_seconds',
    'From the cut of a chunk at the owner to its arrival at a follower.',
    LATENCY_BUCKETS,
  );
  readonly redisSeconds = this.#histogramBy<RedisUse>(
    'redis_command_duration_seconds',
    'Answers of Redis to single commands and scripts: data is chunks, control everything else.',
    'connection',
    REDIS_USES,
    LATENCY_BUCKETS,
  );
  readonly redisErrors = this.#counterBy<RedisFailure>(
    'redis_command_errors_total',
    'Commands that failed: Redis away, full, refusing, or a defect of the proxy.',
    'kind',
    Object.values(RedisFailure),
  );
  readonly joinSeconds = this.#histogram(
    'join_duration_seconds',
    'From the request of a player to its first media byte.',
    JOIN_BUCKETS,
  );
  /** Seconds; the worst worker counts. */
  readonly eventLoopLag = this.#gauge(
    'event_loop_lag_seconds',
    'Delay of the event loop, of the worst worker.',
    'max',
  );

  constructor() {
    const build = this.#make('build_info', 'Version of the proxy and of Node; always 1.');
    new Gauge({ ...build, labelNames: ['version', 'node'], aggregator: 'first' }).set(
      { version: packageVersion(), node: process.version },
      1,
    );
    const memory = this.#make('process_resident_memory_bytes', 'Resident memory of the workers.');
    new Gauge({
      ...memory,
      collect() {
        this.set(process.memoryUsage.rss());
      },
    });
    const cpu = this.#make('process_cpu_seconds_total', 'CPU time of the workers.');
    new Counter({
      ...cpu,
      collect() {
        const { user, system } = process.cpuUsage();
        this.reset();
        this.inc((user + system) / 1_000_000);
      },
    });
  }

  /** The registry as plain data: it crosses processes, and `renderMetrics` adds it to the others. */
  toJSON(): Promise<unknown> {
    return this.#registry.getMetricsAsJSON();
  }

  #make(name: string, help: string) {
    return { name: `${PREFIX}${name}`, help, registers: [this.#registry] };
  }

  #counter(name: string, help: string): CounterMetric {
    const counter = new Counter(this.#make(name, help));
    return { inc: (by = 1) => counter.inc(by) };
  }

  /** `values` are shown before they count; more than `MAX_LABEL_VALUES` count as `other`. */
  #counterBy<L extends string>(
    name: string,
    help: string,
    label: string,
    values: readonly L[] = [],
  ): LabelledCounter<L> {
    const counter = new Counter({ ...this.#make(name, help), labelNames: [label] });
    const known = new Set<string>(values);
    for (const value of values) counter.inc({ [label]: value }, 0);
    return {
      inc: (value, by = 1) => {
        if (known.size < MAX_LABEL_VALUES) known.add(value);
        counter.inc({ [label]: known.has(value) ? value : OTHER }, by);
      },
    };
  }

  #gauge(name: string, help: string, aggregator: 'sum' | 'max' = 'sum'): GaugeMetric {
    const gauge = new Gauge({ ...this.#make(name, help), aggregator });
    return { set: (value) => gauge.set(value) };
  }

  #gaugeBy<L extends string>(
    name: string,
    help: string,
    label: string,
    values: readonly L[],
  ): LabelledGauge<L> {
    const gauge = new Gauge({
      ...this.#make(name, help),
      labelNames: [label],
      aggregator: 'sum',
    });
    // A series that appears only with its first value has no rate before it.
    for (const value of values) gauge.set({ [label]: value }, 0);
    return { set: (value, to) => gauge.set({ [label]: value }, to) };
  }

  #histogramBy<L extends string>(
    name: string,
    help: string,
    label: string,
    values: readonly L[],
    buckets: number[],
  ): LabelledHistogram<L> {
    const histogram = new Histogram({ ...this.#make(name, help), labelNames: [label], buckets });
    const byValue = new Map(values.map((value) => [value, histogram.labels({ [label]: value })]));
    return { observe: (value, seconds) => byValue.get(value)?.observe(seconds) };
  }

  #histogram(name: string, help: string, buckets: number[]): HistogramMetric {
    const histogram = new Histogram({ ...this.#make(name, help), buckets });
    return { observe: (value) => histogram.observe(value) };
  }
}

/** `src/shared/metrics` and `dist/shared/metrics` are equally deep. */
function packageVersion(): string {
  const file = new URL('../../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
