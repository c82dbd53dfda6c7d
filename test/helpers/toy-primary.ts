import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { Primary } from '../../src/primary/primary.js';
import { watchProcess } from '../../src/primary/watch-process.js';
import { systemClock } from '../../src/shared/clock.js';
import type { Settings } from '../../src/shared/config/settings.js';
import { createLogger } from '../../src/shared/log/winston-logger.js';

/**
 * The real primary without Redis over the toy worker. Its settings are in the file that
 * `TOY_SETTINGS` names, and are read again by a reload.
 */
function main(): void {
  const settings = readSettings();
  const log = createLogger({ level: 'debug', format: 'json' });
  const primary = new Primary({
    settings,
    program: fileURLToPath(new URL('./toy-worker.ts', import.meta.url)),
    clock: systemClock,
    log,
    provideRedis: ({ redis }) =>
      Promise.resolve({
        redis,
        stop: () => {
          log.info('redis stopped');
          return Promise.resolve();
        },
        kill: () => undefined,
      }),
    provideKey: () => ({ key: 'toy', configured: true }),
    openReaper: () => ({
      reaper: {
        reap: (worker, owned) => {
          log.info('reaped', { worker, owned });
          return Promise.resolve();
        },
        dropClients: () => Promise.resolve(),
      },
      close: () => Promise.resolve(),
    }),
    readSettings,
    onReady: ({ port }) => {
      log.info('listening', { port });
      process.send?.('ready');
    },
    onEnd: (code) => void log.close().finally(() => process.exit(code)),
  });
  watchProcess(primary, systemClock, log);
  void primary.start();
}

function readSettings(): Settings {
  const path = process.env.TOY_SETTINGS;
  if (path === undefined) throw new Error('TOY_SETTINGS is missing');
  return JSON.parse(readFileSync(path, 'utf8')) as Settings;
}

main();
