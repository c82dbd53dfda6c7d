import type { Router } from 'express';
import { withDeadline } from '../../../shared/deadline.js';
import { renderMetrics, type MetricsSample } from '../../../shared/metrics/render.js';
import type { Guards } from '../auth.js';
import type { HttpDeps } from '../deps.js';
import { serve } from '../route.js';

/** ms; under the scrape timeouts in use (Prometheus: 10 s), over what the primary gives its workers. */
const COLLECT_DEADLINE_MS = 4_000;

/** All workers on one page, whichever worker is asked. */
export function mountMetrics(router: Router, deps: HttpDeps, guards: Guards): void {
  serve(router, '/metrics', {
    get: [
      guards.whenConfigured,
      async (_request, response) => {
        const { contentType, body } = await renderMetrics(await collect(deps));
        response.set('Content-Type', contentType).send(body);
      },
    ],
  });
}

/** A primary that is busy or gone must not blind the monitoring: then this worker speaks for itself. */
async function collect(deps: HttpDeps): Promise<MetricsSample> {
  try {
    return await withDeadline(deps.collectMetrics(), COLLECT_DEADLINE_MS, 'the primary');
  } catch (error) {
    deps.logger.warn('the metrics of the other workers are missing', { error });
    const missing = Math.max(0, deps.settings.workers - 1);
    return { registries: [await deps.localMetrics()], missing, workers: [] };
  }
}
