import { systemClock } from '../shared/clock.js';
import { createLogger } from '../shared/log/winston-logger.js';
import { PrimaryLink } from './lifecycle/primary-link.js';
import { ignoreGroupSignals } from './lifecycle/signals.js';
import { startWorker } from './worker.js';

/** Entry of a forked worker: it says hello and does what the primary's `start` tells it. */
ignoreGroupSignals();
const link = new PrimaryLink({ clock: systemClock });
link.on('start', (start) => {
  const logger = createLogger(start.settings.log, { worker: start.worker });
  process.on('uncaughtException', (error) => {
    logger.error('uncaught exception', { error });
    void fail('uncaught-exception', error);
  });
  startWorker({ link, start, logger, clock: systemClock }).catch((error: unknown) => {
    logger.error('the worker could not start', { error });
    void fail('start-failed', error);
  });
});
link.open();

async function fail(code: string, error: unknown): Promise<never> {
  const message = error instanceof Error ? error.message : String(error);
  await link.deliver({ type: 'failed', code, message });
  process.exit(1);
}
