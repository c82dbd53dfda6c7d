import type { Clock } from '../shared/clock.js';
import type { Logger } from '../shared/log/logger.js';
import { ExitCode } from './exit-codes.js';
import type { Primary } from './primary.js';
import { watchSignals } from './signals.js';

/** Leads signals, and errors that nobody caught, to the primary. */
export function watchProcess(primary: Primary, clock: Clock, log: Logger): void {
  watchSignals(process, clock, {
    onStop: (signal) => void primary.stop(signal),
    onForce: (signal) => {
      log.warn('a second signal: stopping at once', { signal });
      primary.kill(ExitCode.Forced);
    },
    onReload: () => primary.reload(),
  });
  const die = (error: unknown): void => {
    log.error('an error that nobody caught', { error });
    primary.kill(ExitCode.Software);
  };
  process.on('uncaughtException', die);
  process.on('unhandledRejection', die);
}
