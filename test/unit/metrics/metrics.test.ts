import { expect } from 'chai';
import type { WorkerId } from '../../../src/shared/ids.js';
import type { WorkerStatus } from '../../../src/shared/ipc/messages.js';
import { Metrics } from '../../../src/shared/metrics/definitions.js';
import { renderMetrics } from '../../../src/shared/metrics/render.js';

/** Through IPC everything is plain data. */
async function sent(metrics: Metrics): Promise<unknown> {
  return JSON.parse(JSON.stringify(await metrics.toJSON()));
}

function worker(state: string, more: Partial<WorkerStatus> = {}): WorkerStatus {
  return {
    worker: `host:1:${state}` as WorkerId,
    pid: 1,
    state,
    heartbeatAgeMs: 0,
    restarts: 0,
    connections: 0,
    vitals: null,
    ...more,
  };
}

async function page(
  registries: readonly unknown[],
  missing = 0,
  workers: readonly WorkerStatus[] = [],
): Promise<string[]> {
  return (await renderMetrics({ registries, missing, workers })).body.split('\n');
}

describe('Metrics', () => {
  it('keeps the metrics of two workers in one process apart', async () => {
    const [one, other] = [new Metrics(), new Metrics()];
    one.clients.set(3);
    expect(await page([await sent(one)])).to.include('ace_proxy_clients 3');
    expect(await page([await sent(other)])).to.include('ace_proxy_clients 0');
  });

  it('names everything by the convention and explains it', async () => {
    const metrics = (await new Metrics().toJSON()) as {
      name: string;
      help: string;
      type: string;
    }[];
    for (const { name, help, type } of metrics) {
      expect(name).to.match(/^ace_proxy_[a-z_]+$/);
      expect(name.endsWith('_total'), name).to.equal(type === 'counter');
      expect(help).to.match(/\.$/);
    }
  });

  it('bounds the values of a label, whatever words engines send', async () => {
    const metrics = new Metrics();
    for (let at = 0; at < 1_000; at += 1) metrics.engineFaults.inc(`reason-${String(at)}`);
    const lines = await page([await sent(metrics)]);
    const series = lines.filter((line) => line.startsWith('ace_proxy_engine_faults_total{'));
    expect(series).to.have.length(41);
    expect(series).to.include('ace_proxy_engine_faults_total{reason="other"} 960');
  });

  it('says its version once for all workers, and times the two uses of Redis', async () => {
    const metrics = new Metrics();
    metrics.redisSeconds.observe('data', 0.003);
    const both = await page([await sent(metrics), await sent(new Metrics())]);
    expect(
      both.filter((line) => /^ace_proxy_build_info\{version=".+",node="v.+"\} 1$/.test(line)),
    ).to.have.length(1);
    expect(both).to.include('ace_proxy_redis_command_duration_seconds_count{connection="data"} 1');
    expect(both).to.include('ace_proxy_redis_command_errors_total{kind="away"} 0');
  });

  it('shows the series of known labels before their first value', async () => {
    const lines = await page([await sent(new Metrics())]);
    expect(lines).to.include('ace_proxy_streams{role="owner"} 0');
    expect(lines).to.include('ace_proxy_streams{role="follower"} 0');
  });
});

describe('renderMetrics', () => {
  it('adds up the workers, and takes the worst where a sum says nothing', async () => {
    const [one, other] = [new Metrics(), new Metrics()];
    one.clients.set(3);
    other.clients.set(4);
    one.engineFaults.inc('eof');
    other.engineFaults.inc('eof', 2);
    one.eventLoopLag.set(0.5);
    other.eventLoopLag.set(0.1);
    one.joinSeconds.observe(0.02);
    other.joinSeconds.observe(0.2);
    const lines = await page([await sent(one), await sent(other)]);
    expect(lines).to.include('ace_proxy_clients 7');
    expect(lines).to.include('ace_proxy_engine_faults_total{reason="eof"} 3');
    expect(lines).to.include('ace_proxy_event_loop_lag_seconds 0.5');
    expect(lines).to.include('ace_proxy_join_duration_seconds_bucket{le="0.025"} 1');
    expect(lines).to.include('ace_proxy_join_duration_seconds_count 2');
  });

  it('counts workers that are silent or say something unreadable, and shows the others', async () => {
    const metrics = new Metrics();
    metrics.clients.set(5);
    const broken = [null, 'text', {}, [null], [{ name: 'x' }], [{ name: 'x', values: [] }]];
    const lines = await page([await sent(metrics), ...broken], 2);
    expect(lines).to.include('ace_proxy_clients 5');
    expect(lines).to.include(`ace_proxy_metrics_missing_workers ${String(2 + broken.length)}`);
  });

  it('shows what the primary knows when no worker answers', async () => {
    const lines = await page([], 2, [
      worker('serving', { restarts: 1, connections: 10, heartbeatAgeMs: 100 }),
      worker('hung', { restarts: 2, connections: 5, heartbeatAgeMs: 7_500 }),
    ]);
    expect(lines).to.include('ace_proxy_metrics_missing_workers 2');
    expect(lines).to.include('ace_proxy_workers{state="serving"} 1');
    expect(lines).to.include('ace_proxy_worker_restarts 3');
    expect(lines).to.include('ace_proxy_connections 15');
    expect(lines).to.include('ace_proxy_worker_heartbeat_age_seconds 7.5');
  });
});
