import { AggregatorRegistry, Gauge, Registry, type PrometheusContentType } from 'prom-client';
import type { WorkerStatus } from '../ipc/messages.js';

/** What `/metrics` is made of; the shape of the IPC message `metrics-result`. */
export interface MetricsSample {
  /** One `Metrics.toJSON()` per worker that answered. */
  readonly registries: readonly unknown[];
  /** Workers that did not answer in time. */
  readonly missing: number;
  readonly workers: readonly WorkerStatus[];
}

export interface RenderedMetrics {
  readonly contentType: string;
  readonly body: string;
}

/**
 * All workers as one page in the Prometheus text format. An answer that cannot be read counts as
 * missing: one broken worker must not hide the others.
 */
export async function renderMetrics(sample: MetricsSample): Promise<RenderedMetrics> {
  const readable = sample.registries.filter(isRegistry);
  const unreadable = sample.registries.length - readable.length;
  const all = AggregatorRegistry.aggregate<PrometheusContentType>(readable);
  const own = primaryMetrics(sample.workers, sample.missing + unreadable);
  const merged = Registry.merge([all, own]);
  return { contentType: merged.contentType, body: await merged.metrics() };
}

/** What only the primary knows: it goes on when every worker is silent. */
function primaryMetrics(workers: readonly WorkerStatus[], missing: number): Registry {
  const registry = new Registry();
  const registers = [registry];
  const gauge = (name: string, help: string): Gauge =>
    new Gauge({ name: `ace_proxy_${name}`, help, registers });
  gauge(
    'metrics_missing_workers',
    'Workers whose metrics are not in this page: they did not answer in time.',
  ).set(missing);
  gauge('worker_restarts', 'Restarts of the workers that run now.').set(
    workers.reduce((sum, worker) => sum + worker.restarts, 0),
  );
  gauge('connections', 'TCP connections the primary has dealt and that are open.').set(
    workers.reduce((sum, worker) => sum + worker.connections, 0),
  );
  gauge('worker_heartbeat_age_seconds', 'Age of the oldest heartbeat of a worker.').set(
    workers.reduce((oldest, worker) => Math.max(oldest, worker.heartbeatAgeMs), 0) / 1_000,
  );
  const byState = new Gauge({
    name: 'ace_proxy_workers',
    help: 'Workers as the primary sees them, by state.',
    labelNames: ['state'],
    registers,
  });
  for (const { state } of workers) byState.inc({ state });
  return registry;
}

interface MetricJson {
  readonly name: string;
  readonly aggregator: string;
  readonly values: readonly object[];
}

const AGGREGATORS: ReadonlySet<unknown> = new Set([
  'sum',
  'max',
  'min',
  'first',
  'average',
  'omit',
]);

function isRegistry(value: unknown): value is MetricJson[] {
  return Array.isArray(value) && value.every(isMetric);
}

function isMetric(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { name, aggregator, values } = value as Partial<Record<keyof MetricJson, unknown>>;
  return typeof name === 'string' && AGGREGATORS.has(aggregator) && Array.isArray(values);
}
