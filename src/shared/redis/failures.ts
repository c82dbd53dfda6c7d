import { AppError } from '../errors.js';

/** What a failed command says about Redis as a whole. */
export const RedisFailure = {
  /** Unreachable, frozen, restarting, failing over: the command may or may not have run. */
  Away: 'away',
  /** `noeviction` refuses writes: the memory bound is reached. */
  Full: 'full',
  /** It answers and wants none of us: a setting here or there is wrong. `explainRefusal` says which. */
  Refused: 'refused',
  /** Anything else is a defect of ours. */
  Defect: 'defect',
} as const;
export type RedisFailure = (typeof RedisFailure)[keyof typeof RedisFailure];

/**
 * In the order of the alternatives: what a server says of itself, what ioredis says of a connection,
 * of a Cluster, of Sentinels, and what the system says.
 */
const AWAY = new RegExp(
  [
    '^(?:LOADING|MASTERDOWN|READONLY|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|MISCONF|BUSY )',
    'timed out|Connection is closed|enableOfflineQueue|max retries per request|did not finish within',
    'between the bytes of a chunk|Cluster redirections|startup nodes|slots cache|Cluster is (?:ended|disconnect)',
    'sentinels are unreachable|failed to connect to sentinel',
    'ECONN|EPIPE|ENOENT|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|socket hang up',
  ].join('|'),
  'i',
);

/** What Redis or TLS says, and what the operator can do about it. */
const REFUSALS: readonly (readonly [RegExp, string])[] = [
  [/\bNOAUTH\b/, 'Redis wants a password: set REDIS_PASSWORD, or put it into REDIS_URL'],
  [/\bWRONGPASS\b|invalid password/i, 'Redis does not know this user and password'],
  [
    /without any password configured|no password is set/i,
    'Redis has no password, and one is configured here: remove REDIS_PASSWORD',
  ],
  [
    /\bNOPERM\b|ACL failure in script|executing the script can't/i,
    'the ACL user lacks a permission: docs/operations.md lists what it needs',
  ],
  [/^(?:MOVED|ASK) /, 'this Redis is a node of a Cluster: set REDIS_CLUSTER instead of REDIS_URL'],
  [/\bCROSSSLOT\b/, 'this Redis is a Cluster: set PROXY_REDIS_HASH_TAGS=true and REDIS_CLUSTER'],
  [/cluster support disabled/i, 'REDIS_CLUSTER names a Redis that is no Cluster'],
  [/DB index is out of range|invalid DB index/i, 'Redis has no such database: see REDIS_DB'],
  [/got an invalid reply: null/, 'the Sentinels know no master of this REDIS_SENTINEL_NAME'],
  [/ALTNAME/, 'the certificate of Redis names other hosts than the one it was reached by'],
  [/wrong version number|packet length too long/, 'Redis speaks no TLS on this port'],
  [
    /self[- ]signed|certificate|CERT_|UNABLE_TO_(?:VERIFY|GET)|ssl.*alert/i,
    'TLS fails: REDIS_TLS_CA must name the authority that signed the certificate of Redis, and Redis may want REDIS_TLS_CERT and REDIS_TLS_KEY',
  ],
];

export function classifyRedisFailure(thrown: unknown): RedisFailure {
  const text = textOf(thrown);
  if (/\bOOM\b/.test(text)) return RedisFailure.Full;
  if (explainRefusal(thrown) !== null) return RedisFailure.Refused;
  return AWAY.test(text) ? RedisFailure.Away : RedisFailure.Defect;
}

/** What to do about a failure that lasts until somebody changes a setting; `null` for another one. */
export function explainRefusal(thrown: unknown): string | null {
  const text = textOf(thrown);
  return REFUSALS.find(([said]) => said.test(text))?.[1] ?? null;
}

/** The failure as what a player is told; a defect stays what it is. */
export function toRedisError(thrown: unknown): Error {
  switch (classifyRedisFailure(thrown)) {
    case RedisFailure.Away:
    case RedisFailure.Refused:
      return new AppError('REDIS_UNAVAILABLE', {}, thrown);
    case RedisFailure.Full:
      return new AppError('REDIS_FULL', {}, thrown);
    case RedisFailure.Defect:
      return thrown instanceof Error ? thrown : new Error(String(thrown));
  }
}

/** A Cluster tells the last node's error beside its own. */
function textOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const { code, lastNodeError } = thrown as { code?: unknown; lastNodeError?: unknown };
  const last = lastNodeError instanceof Error ? ` ${textOf(lastNodeError)}` : '';
  return `${thrown.message}${typeof code === 'string' ? ` ${code}` : ''}${last}`;
}
