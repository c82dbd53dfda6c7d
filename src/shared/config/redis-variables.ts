import { pemFile } from './file-formats.js';
import { boolean, text } from './formats.js';
import { addressList } from './list-formats.js';
import type { Variable } from './variable.js';

/** How Redis is reached where a plain address does not say it. */
export const REDIS_ACCESS = {
  REDIS_USERNAME: {
    format: text(128),
    default: null,
    unit: '',
    doc: 'ACL user of Redis, where `REDIS_URL` names none. Needs `REDIS_PASSWORD`.',
  },
  REDIS_PASSWORD: {
    format: text(512),
    default: null,
    unit: '',
    doc: 'Password of Redis, where `REDIS_URL` has none.',
    sensitive: true,
  },
  REDIS_TLS: {
    format: boolean(),
    default: 'false',
    unit: '',
    doc: 'TLS to Redis; what `rediss://` says in `REDIS_URL`.',
  },
  REDIS_TLS_CA: {
    format: pemFile('CERTIFICATE'),
    default: null,
    shownDefault: "the system's",
    unit: '',
    doc: 'PEM file of the authorities that may have signed the certificate of Redis.',
  },
  REDIS_TLS_CERT: {
    format: pemFile('CERTIFICATE'),
    default: null,
    unit: '',
    doc: 'PEM file of the certificate that the proxy shows to Redis. Needs `REDIS_TLS_KEY`.',
  },
  REDIS_TLS_KEY: {
    format: pemFile('PRIVATE KEY'),
    default: null,
    unit: '',
    doc: 'PEM file of its key, without a passphrase.',
  },
  REDIS_CLUSTER: {
    format: addressList(),
    default: null,
    unit: '',
    doc: 'Nodes of a Redis Cluster: `host:port`, comma-separated; they name the others. Needs `PROXY_REDIS_HASH_TAGS=true`.',
  },
  REDIS_SENTINELS: {
    format: addressList(),
    default: null,
    unit: '',
    doc: 'Sentinels: `host:port`, comma-separated. Needs `REDIS_SENTINEL_NAME`.',
  },
  REDIS_SENTINEL_NAME: {
    format: text(128),
    default: null,
    unit: '',
    doc: 'The name that the Sentinels know the master by.',
  },
  REDIS_SENTINEL_USERNAME: {
    format: text(128),
    default: null,
    unit: '',
    doc: 'ACL user of the Sentinels.',
  },
  REDIS_SENTINEL_PASSWORD: {
    format: text(512),
    default: null,
    unit: '',
    doc: 'Password of the Sentinels, which is another one than that of Redis.',
    sensitive: true,
  },
} as const satisfies Record<string, Variable<unknown>>;
