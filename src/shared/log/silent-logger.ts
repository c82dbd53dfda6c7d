import type { Logger } from './logger.js';

const nothing = (): void => undefined;

/** Says nothing: for tests, and for what runs before the configuration is read. */
export const silentLogger: Logger = {
  error: nothing,
  warn: nothing,
  info: nothing,
  debug: nothing,
  debugEnabled: false,
  child: () => silentLogger,
};
