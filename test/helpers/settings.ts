import { loadSettings } from '../../src/shared/config/load.js';
import type { Settings } from '../../src/shared/config/settings.js';

/** The defaults, on loopback and a free port, with what a test wants otherwise. */
export function testSettings(overrides: Partial<Settings> = {}): Settings {
  const { settings } = loadSettings({ env: {} });
  return { ...settings, host: '127.0.0.1', port: 0, workers: 2, ...overrides };
}
