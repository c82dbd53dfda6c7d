import type { Logger } from '../../src/shared/log/logger.js';

const nothing = (): void => undefined;

/** Says nothing. */
export const silentLogger: Logger = {
  error: nothing,
  warn: nothing,
  info: nothing,
  debug: nothing,
  debugEnabled: false,
  child: () => silentLogger,
};
