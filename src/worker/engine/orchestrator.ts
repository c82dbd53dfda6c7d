import { DeadlineError } from '../../shared/deadline.js';
import type { EngineRecord } from '../../shared/redis/engine-records.js';
import { readInteger, readObject, readText } from './answer.js';
import { bounded } from './bounded.js';
import { isEngineId, isHost, isPort } from './engine-address.js';
import { getText } from './http-door.js';

export const ORCHESTRATOR_SOURCE = 'orchestrator';

/** ms for the whole answer. */
const POLL_TIMEOUT_MS = 5_000;
const CONNECT_TIMEOUT_MS = 3_000;
/** bytes; an entry is about 1 KB. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

/** The engines an acestream-orchestrator manages; throws when it does not answer with a list. */
export async function fetchOrchestratorEngines(
  baseUrl: string,
  signal: AbortSignal,
): Promise<readonly EngineRecord[]> {
  const url = new URL('api/v1/engines', baseUrl.endsWith('/') ? baseUrl : `${baseUrl}/`);
  const late = (): Error => new DeadlineError('the poll of the orchestrator', POLL_TIMEOUT_MS);
  const { status, text } = await bounded({ signal, ms: POLL_TIMEOUT_MS, late }, (end) =>
    getText({
      url,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      maxBytes: MAX_ANSWER_BYTES,
      signal: end,
    }),
  );
  if (status !== 200) throw new Error(`the orchestrator answered HTTP ${String(status)}`);
  return parseOrchestratorEngines(JSON.parse(text));
}

/**
 * `[{container_id, container_name, host, port, forwarded, health_status, draining}, …]`; newer
 * versions wrap the array in `items` or `engines`. Entries without a usable address are left out, and
 * so is a second one with the same id. Throws when there is no list.
 */
export function parseOrchestratorEngines(answer: unknown): readonly EngineRecord[] {
  const wrapped = readObject(answer);
  const list = Array.isArray(answer) ? answer : (wrapped['items'] ?? wrapped['engines']);
  if (!Array.isArray(list)) throw new Error('the orchestrator did not answer with a list');
  const byId = new Map<string, EngineRecord>();
  for (const entry of list as readonly unknown[]) {
    const record = parseEntry(readObject(entry));
    if (record !== null && !byId.has(record.id)) byId.set(record.id, record);
  }
  return [...byId.values()];
}

function parseEntry(entry: Record<string, unknown>): EngineRecord | null {
  const host = readText(entry['host']);
  const port = readInteger(entry['port']);
  if (host === null || !isHost(host) || !isPort(port)) return null;
  const containerId = readText(entry['container_id']);
  // Docker's own names begin with a slash.
  const name = readText(entry['container_name'])?.replace(/^\//, '') ?? containerId;
  const id = name !== null && isEngineId(name) ? name : `${host}:${String(port)}`;
  return {
    id,
    host,
    port,
    forwarded: entry['forwarded'] === true,
    max: null,
    source: ORCHESTRATOR_SOURCE,
    draining: false,
    withheld: entry['draining'] === true || entry['health_status'] === 'unhealthy',
    containerId,
  };
}
