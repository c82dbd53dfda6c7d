import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { setFlagsFromString } from 'node:v8';

import { systemClock } from '../shared/clock.js';
import { ConfigError } from '../shared/config/config-error.js';
import { loadSettings } from '../shared/config/load.js';
import type { Settings } from '../shared/config/settings.js';
import { createLogger } from '../shared/log/winston-logger.js';
import type { ClosableLogger } from '../shared/log/winston-logger.js';
import { closeConnection, openControl, untilReady } from '../shared/redis/connections.js';
import { makeKeys } from '../shared/redis/keys.js';
import { RedisReaper } from '../shared/redis/reaper.js';
import { provideApiKey } from './api-key.js';
import type { ApiKey } from './api-key.js';
import { ExitCode } from './exit-codes.js';
import { Primary } from './primary.js';
import type { KeyChoice } from './primary.js';
import { adviseOnMemory } from './redis-advice.js';
import { provideRedis } from './redis-host.js';
import { watchProcess } from './watch-process.js';
import { workerProgram } from './worker-path.js';

/** ms; nobody looks at the memory of a Redis that comes later, and the proxy runs all the same. */
const ADVICE_PATIENCE_MS = 10_000;

/**
 * What survives a storm of connects makes V8 widen the young generation to 32 MB, and with so little to do here nothing
 * makes it narrow again. V8 looks at this flag whenever it is about to widen.
 */
const KEEP_YOUNG_GENERATION = '--semi-space-growth-factor=1';

/** Configuration, log, then Redis, key, workers, port (`Primary.start`), the ready message, signals. */
function main(): void {
  setFlagsFromString(KEEP_YOUNG_GENERATION);
  const { settings, warnings } = readSettings();
  const log = createLogger(settings.log, { process: 'primary', pid: process.pid });
  for (const warning of warnings) log.warn(warning);
  const keys = new Keys(log);
  const primary = new Primary({
    settings,
    program: workerProgram(import.meta.url),
    clock: systemClock,
    log,
    provideRedis: (wanted) => provideRedis(wanted, systemClock, log),
    provideKey: (wanted) => keys.choose(wanted),
    openReaper: (used) => {
      const { redis } = used;
      const control = openControl(redis, log);
      const readInfo = async (): Promise<string> => {
        await untilReady(control, ADVICE_PATIENCE_MS);
        return control.info('memory');
      };
      void adviseOnMemory(readInfo, used, log);
      return {
        reaper: new RedisReaper(control, makeKeys({ hashTags: redis.hashTags })),
        close: () => closeConnection(control),
      };
    },
    readSettings: () => loadSettings({ env: process.env }).settings,
    onReady: (address) => announce(address, log),
    onEnd: (code) => {
      keys.remove();
      void log.close().finally(() => process.exit(code));
    },
  });
  watchProcess(primary, systemClock, log);
  void primary.start();
}

/** Exits with 78 when there is a fault: nothing was started then, not even the log. */
function readSettings(): ReturnType<typeof loadSettings> {
  try {
    return loadSettings({ env: process.env });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(ExitCode.Config);
  }
}

/** A key of our own is made once and outlives reloads. */
class Keys {
  readonly #log: ClosableLogger;
  #made: ApiKey | null = null;

  constructor(log: ClosableLogger) {
    this.#log = log;
  }

  choose(settings: Settings): KeyChoice {
    if (settings.apiKey !== null) return { key: settings.apiKey, configured: true };
    this.#made ??= this.#make(settings);
    return { key: this.#made.key, configured: false };
  }

  remove(): void {
    this.#made?.remove();
  }

  #make(settings: Settings): ApiKey {
    const made = provideApiKey({
      configured: null,
      runtimeDir: process.env.XDG_RUNTIME_DIR,
      tmpDir: tmpdir(),
      uid: process.getuid?.() ?? 0,
      // Port 0 names no instance: two proxies of one user must not share a key file.
      instance: String(settings.port || process.pid),
    });
    this.#log.info('no PROXY_API_KEY is set: a random key is in this file', { path: made.path });
    return made;
  }
}

function announce(address: AddressInfo, log: ClosableLogger): void {
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  log.info(`listening on http://${host}:${String(address.port)}`, { port: address.port });
  // pm2's `wait_ready`; nobody listens where nobody started us with a channel. Whether pm2 still lives is
  // nothing to die of: without a callback a closed channel would be an error that nobody caught.
  process.send?.('ready', undefined, undefined, () => undefined);
}

main();
