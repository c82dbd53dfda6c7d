import { setTimeout as delay } from 'node:timers/promises';
import { LoadClient, type ClientReport } from './load-client.js';
import { serve } from './processes.js';

/** Players by the thousand, in a process of their own. */
export interface LoadMethods {
  /** Resolves when each has its first byte of media, or none after `timeoutMs`. */
  open(request: OpenRequest): Promise<OpenReport>;
  /** Measures everybody who is there for this long. */
  measure(options: { ms: number }): Promise<MeasureReport>;
  /** Joins one after another, each closed at its first byte; ms to it, or -1. */
  join(request: JoinRequest): Promise<number[]>;
  close(argument: null): Promise<void>;
}

export interface OpenRequest {
  readonly port: number;
  readonly paths: readonly string[];
  /** Clients per path. */
  readonly each: number;
  readonly perSecond: number;
  /** So many of each path read stamps. */
  readonly sampling: number;
  /** Part of the User-Agent, which also has a number and who samples. */
  readonly label: string;
  /** Bytes per second; 0 for no limit. */
  readonly limit: number;
  readonly timeoutMs: number;
}

export interface OpenReport {
  /** ms from the connect, of those that got media. */
  readonly firstByteMs: readonly number[];
  readonly failed: number;
}

export interface MeasureReport {
  readonly clients: readonly ClientReport[];
  /** By label, of those that sample. */
  readonly latencies: Readonly<Record<string, readonly number[]>>;
}

export interface JoinRequest {
  readonly port: number;
  readonly path: string;
  readonly count: number;
  readonly everyMs: number;
  readonly timeoutMs: number;
}

/** Connects are spread over slices of this length, ms. */
const SLICE_MS = 10;

let clients: LoadClient[] = [];

serve<LoadMethods>({ open, measure, join, close });

async function open(request: OpenRequest): Promise<OpenReport> {
  const { port, paths, each, perSecond, sampling, label, limit, timeoutMs } = request;
  const waits: Promise<void>[] = [];
  const opened: LoadClient[] = [];
  const startedAt = performance.now();
  for (const [i, path] of paths.entries()) {
    for (let n = 0; n < each; n++) {
      const samples = isSampled(n, each, sampling);
      const name = `${label}-${i}-${n}`;
      waits.push(
        new Promise((resolve) => {
          opened.push(new LoadClient({ port, path, label: name, samples, limit }, resolve));
        }),
      );
      const ahead = (opened.length / perSecond) * 1_000 - (performance.now() - startedAt);
      if (ahead > SLICE_MS) await delay(ahead);
    }
  }
  clients.push(...opened);
  await Promise.race([Promise.all(waits), delay(timeoutMs)]);
  const firstByteMs = opened.flatMap((client) => client.firstByteMs ?? []);
  return { firstByteMs, failed: opened.length - firstByteMs.length };
}

/** Spread evenly over all: a chunk is written to those first who came first. */
function isSampled(n: number, of: number, sampling: number): boolean {
  return Math.floor(((n + 1) * sampling) / of) > Math.floor((n * sampling) / of);
}

async function measure({ ms }: { ms: number }): Promise<MeasureReport> {
  for (const client of clients) client.begin();
  await delay(ms);
  const reports = clients.map((client) => client.report());
  const sampled = clients.map((client) => [client.label, client.takeLatencies()] as const);
  return {
    clients: reports,
    latencies: Object.fromEntries(sampled.filter(([, values]) => values.length > 0)),
  };
}

async function join({ port, path, count, everyMs, timeoutMs }: JoinRequest): Promise<number[]> {
  const joins: Promise<number>[] = [];
  for (let n = 0; n < count; n++) {
    joins.push(joinOnce({ port, path, label: `join-${n}`, samples: false, limit: 0 }, timeoutMs));
    await delay(everyMs);
  }
  return Promise.all(joins);
}

async function joinOnce(
  options: ConstructorParameters<typeof LoadClient>[0],
  timeoutMs: number,
): Promise<number> {
  const timer = new AbortController();
  let client: LoadClient | null = null;
  const begun = new Promise<void>((resolve) => {
    client = new LoadClient(options, resolve);
  });
  const late = delay(timeoutMs, undefined, { signal: timer.signal }).catch(() => undefined);
  await Promise.race([begun, late]);
  timer.abort();
  const { firstByteMs } = client as unknown as LoadClient;
  (client as unknown as LoadClient).close();
  return firstByteMs ?? -1;
}

async function close(): Promise<void> {
  for (const client of clients) client.close();
  clients = [];
  await delay(SLICE_MS);
}
