import type { CrossCheck, Values } from './schema.js';

const LOOPBACK: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '::1']);

export function usesTls(values: Pick<Values, 'REDIS_TLS' | 'REDIS_URL'>): boolean {
  return values.REDIS_TLS || /^rediss:/i.test(values.REDIS_URL ?? '');
}

/** Ways to reach Redis that do not go together. */
export const REDIS_CHECKS: readonly CrossCheck[] = [
  {
    names: ['REDIS_EMBEDDED', 'REDIS_URL', 'REDIS_HOST', 'REDIS_CLUSTER', 'REDIS_SENTINELS'],
    broken: (values) =>
      values.REDIS_EMBEDDED === 'always' &&
      (waysToRedis(values) > 0 || !LOOPBACK.has(values.REDIS_HOST)),
    message:
      '"always" and a Redis named by REDIS_URL, REDIS_HOST, REDIS_CLUSTER or REDIS_SENTINELS exclude each other',
  },
  {
    names: ['REDIS_URL', 'REDIS_CLUSTER', 'REDIS_SENTINELS'],
    broken: (values) => waysToRedis(values) > 1,
    message: 'only one of REDIS_URL, REDIS_CLUSTER and REDIS_SENTINELS can be set',
  },
  {
    names: ['REDIS_CLUSTER', 'PROXY_REDIS_HASH_TAGS'],
    broken: (values) => values.REDIS_CLUSTER !== null && !values.PROXY_REDIS_HASH_TAGS,
    message: 'needs PROXY_REDIS_HASH_TAGS=true, or the keys of a stream lie on different nodes',
  },
  {
    names: ['REDIS_CLUSTER', 'REDIS_DB'],
    broken: (values) => values.REDIS_CLUSTER !== null && values.REDIS_DB !== 0,
    message: 'a Redis Cluster has no database but 0: REDIS_DB must not be set',
  },
  {
    names: ['REDIS_SENTINELS', 'REDIS_SENTINEL_NAME'],
    broken: (values) => (values.REDIS_SENTINELS === null) !== (values.REDIS_SENTINEL_NAME === null),
    message: 'REDIS_SENTINELS and REDIS_SENTINEL_NAME need each other',
  },
  {
    names: ['REDIS_USERNAME', 'REDIS_PASSWORD'],
    broken: (values) => values.REDIS_USERNAME !== null && values.REDIS_PASSWORD === null,
    message: 'needs REDIS_PASSWORD',
  },
  {
    names: ['REDIS_SENTINEL_USERNAME', 'REDIS_SENTINEL_PASSWORD'],
    broken: (values) =>
      values.REDIS_SENTINEL_USERNAME !== null && values.REDIS_SENTINEL_PASSWORD === null,
    message: 'needs REDIS_SENTINEL_PASSWORD',
  },
  {
    names: ['REDIS_TLS', 'REDIS_URL'],
    broken: (values) => values.REDIS_TLS && /^(?:redis|unix):/i.test(values.REDIS_URL ?? ''),
    message: 'and a REDIS_URL without TLS contradict each other: write rediss://',
  },
  {
    names: ['REDIS_TLS_CA', 'REDIS_TLS_CERT', 'REDIS_TLS_KEY', 'REDIS_TLS', 'REDIS_URL'],
    broken: (values) => hasTlsFiles(values) && !usesTls(values),
    message:
      'or another file of REDIS_TLS_* is set without TLS: set REDIS_TLS=true or use rediss://',
  },
  {
    names: ['REDIS_TLS_CERT', 'REDIS_TLS_KEY'],
    broken: (values) => (values.REDIS_TLS_CERT === null) !== (values.REDIS_TLS_KEY === null),
    message: 'REDIS_TLS_CERT and REDIS_TLS_KEY need each other',
  },
];

function waysToRedis(values: Values): number {
  const ways = [values.REDIS_URL, values.REDIS_CLUSTER, values.REDIS_SENTINELS];
  return ways.filter((way) => way !== null).length;
}

function hasTlsFiles(values: Values): boolean {
  const files = [values.REDIS_TLS_CA, values.REDIS_TLS_CERT, values.REDIS_TLS_KEY];
  return files.some((file) => file !== null);
}
