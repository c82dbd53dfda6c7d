import type { Clock } from '../../shared/clock.js';
import type { MetricsSample } from '../../shared/metrics/render.js';
import type { PrimaryLink } from './primary-link.js';

export interface MetricsLinkDeps {
  readonly link: PrimaryLink;
  /** This worker's registry as plain data. */
  readonly local: () => Promise<unknown>;
  readonly clock: Clock;
}

/** ms; the primary waits one second for its workers (style 5.8). */
const ANSWER_TIMEOUT_MS = 2_000;

/** This worker's two parts in a scrape: it gives its registry, and it may ask for all of them. */
export class MetricsLink {
  readonly #deps: MetricsLinkDeps;
  readonly #asked = new Map<number, (sample: MetricsSample) => void>();
  #last = 0;

  constructor(deps: MetricsLinkDeps) {
    this.#deps = deps;
    const { link, local } = deps;
    link.on('metrics-collect', ({ request }) => {
      local().then(
        (registry) => link.send({ type: 'metrics', request, registry }),
        // The primary counts it as missing.
        () => undefined,
      );
    });
    link.on('metrics-result', ({ request, registries, missing, workers }) => {
      this.#asked.get(request)?.({ registries, missing, workers });
    });
  }

  /** The registries of all workers; rejects when the primary does not answer in time. */
  collect(): Promise<MetricsSample> {
    const request = ++this.#last;
    return new Promise((resolve, reject) => {
      const timer = this.#deps.clock.setTimeout(() => {
        this.#asked.delete(request);
        reject(new Error('the primary did not answer the request for metrics'));
      }, ANSWER_TIMEOUT_MS);
      this.#asked.set(request, (sample) => {
        clearTimeout(timer);
        this.#asked.delete(request);
        resolve(sample);
      });
      this.#deps.link.send({ type: 'metrics-ask', request });
    });
  }
}
