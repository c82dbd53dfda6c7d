import type { Clock } from '../shared/clock.js';
import type { PrimaryMessage, WorkerMessage, WorkerStatus } from '../shared/ipc/messages.js';

export type MetricsMessage = Extract<WorkerMessage, { readonly type: 'metrics-ask' | 'metrics' }>;

/** What the collector needs of a worker; `WorkerHandle` is one. */
export interface MetricsPeer {
  readonly pid: number;
  send(message: PrimaryMessage): void;
}

export interface MetricsDeps {
  readonly serving: () => readonly MetricsPeer[];
  readonly statuses: () => readonly WorkerStatus[];
  readonly clock: Clock;
}

interface Collection {
  readonly asker: MetricsPeer;
  /** The asker's own number of its question. */
  readonly request: number;
  readonly missing: Set<number>;
  readonly registries: unknown[];
  readonly timer: NodeJS.Timeout;
}

/** A blocked worker may cost its own numbers, not the whole scrape (style 5.8). */
const COLLECT_DEADLINE_MS = 1_000;

/** Gathers the registries of all workers for the one that was asked for `/metrics`. */
export class MetricsCollector {
  readonly #deps: MetricsDeps;
  readonly #open = new Map<number, Collection>();
  #last = 0;

  constructor(deps: MetricsDeps) {
    this.#deps = deps;
  }

  receive(peer: MetricsPeer, message: MetricsMessage): void {
    if (message.type === 'metrics-ask') this.#ask(peer, message.request);
    else this.#answer(peer.pid, message.request, message.registry);
  }

  /** A dead worker does not answer, and needs none: nobody waits for it. */
  forget(pid: number): void {
    for (const [id, { asker, missing, timer }] of [...this.#open]) {
      if (asker.pid === pid) {
        clearTimeout(timer);
        this.#open.delete(id);
      } else if (missing.size === 1 && missing.has(pid)) {
        this.#finish(id);
      }
    }
  }

  close(): void {
    for (const { timer } of this.#open.values()) clearTimeout(timer);
    this.#open.clear();
  }

  #ask(asker: MetricsPeer, request: number): void {
    this.#last += 1;
    const id = this.#last;
    const peers = this.#deps.serving();
    const timer = this.#deps.clock.setTimeout(() => this.#finish(id), COLLECT_DEADLINE_MS);
    const missing = new Set(peers.map(({ pid }) => pid));
    this.#open.set(id, { asker, request, missing, registries: [], timer });
    for (const peer of peers) peer.send({ type: 'metrics-collect', request: id });
    if (peers.length === 0) this.#finish(id);
  }

  #answer(pid: number, id: number, registry: unknown): void {
    const collection = this.#open.get(id);
    if (collection?.missing.delete(pid) !== true) return;
    collection.registries.push(registry);
    if (collection.missing.size === 0) this.#finish(id);
  }

  #finish(id: number): void {
    const collection = this.#open.get(id);
    if (collection === undefined) return;
    clearTimeout(collection.timer);
    this.#open.delete(id);
    const { asker, request, registries, missing } = collection;
    asker.send({
      type: 'metrics-result',
      request,
      registries,
      missing: missing.size,
      workers: this.#deps.statuses(),
    });
  }
}
