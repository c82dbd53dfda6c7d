import type { RedisSettings } from '../../src/shared/config/settings.js';

/** What names no Redis at all, with what a test changes. */
export function redisSettings(changed: Partial<RedisSettings> = {}): RedisSettings {
  return {
    url: null,
    host: 'localhost',
    port: 6379,
    db: 0,
    username: null,
    password: null,
    tls: { enabled: false, ca: null, cert: null, key: null },
    cluster: [],
    sentinel: null,
    given: false,
    embedded: 'auto',
    hashTags: false,
    ...changed,
  };
}
