import { footprint } from '../ring-memory.js';
import type { ConfigFault } from './config-error.js';
import { REDIS_CHECKS } from './redis-checks.js';
import type { CrossCheck, Values } from './schema.js';

const CHECKS: readonly CrossCheck[] = [
  {
    names: ['PROXY_HEARTBEAT_INTERVAL', 'PROXY_CLIENT_TTL'],
    broken: (values) => values.PROXY_HEARTBEAT_INTERVAL >= values.PROXY_CLIENT_TTL,
    message:
      'must be shorter than PROXY_CLIENT_TTL, or client records expire while their players watch',
  },
  {
    names: ['PROXY_JOIN_BEHIND', 'PROXY_BUFFER_TTL'],
    broken: (values) => values.PROXY_JOIN_BEHIND >= values.PROXY_BUFFER_TTL,
    message: 'must be shorter than PROXY_BUFFER_TTL, or there is nothing left to join at',
  },
  {
    names: ['PROXY_BUFFER_MAX_BYTES', 'PROXY_BUFFER_CHUNK_SIZE'],
    broken: (values) => values.PROXY_BUFFER_MAX_BYTES < 2 * values.PROXY_BUFFER_CHUNK_SIZE,
    message: 'must hold two chunks of PROXY_BUFFER_CHUNK_SIZE at least',
  },
  {
    names: ['PROXY_BUFFER_TOTAL_BYTES', 'PROXY_BUFFER_MAX_BYTES'],
    broken: (values) =>
      values.PROXY_BUFFER_TOTAL_BYTES > 0 &&
      values.PROXY_BUFFER_TOTAL_BYTES < footprint(values.PROXY_BUFFER_MAX_BYTES),
    message: "must hold one ring of PROXY_BUFFER_MAX_BYTES and Redis' overhead of 15 %, or be 0",
  },
  ...REDIS_CHECKS,
];

/**
 * Values that are fine alone and do not go together. `unusable` are the variables that have a
 * fault already: nothing is said about them twice.
 */
export function crossFaults(values: Values, unusable: ReadonlySet<string>): ConfigFault[] {
  const broken = CHECKS.filter(
    (check) => !check.names.some((name) => unusable.has(name)) && check.broken(values),
  ).map(({ names: [name], message }) => ({ name, source: 'combination', value: null, message }));
  return [...broken, ...duplicateEngines(values)];
}

function duplicateEngines(values: Values): ConfigFault[] {
  const ids = (values.ACE_ENGINES ?? []).map((engine) => engine.id);
  const doubled = new Set(ids.filter((id, at) => ids.indexOf(id) !== at));
  return [...doubled].map((id) => ({
    name: 'ACE_ENGINES',
    source: 'combination',
    value: `"${id}"`,
    message: 'this engine stands twice: give one of them another id',
  }));
}
