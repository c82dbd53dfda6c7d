import { authority } from '../../shared/config/address.js';
import { isUrlHost } from '../../shared/config/formats.js';
import type { EngineAddress } from '../../shared/config/settings.js';
import { AppError } from '../../shared/errors.js';

/** What may stand in a URL path and in a log line as it is. */
const ENGINE_ID = /^[\w.:[\]-]{1,128}$/;
const MAX_PORT = 65_535;
/** As in `ACE_ENGINES`. */
const MAX_STREAMS = 10_000;
const FIELDS: ReadonlySet<string> = new Set(['host', 'port', 'forwarded', 'id', 'max']);

/**
 * The body of `POST /engines`: `{host, port, forwarded?, id?, max?}`. Throws `BAD_REQUEST` with every
 * fault in `reasons`.
 */
export function parseEngineRequest(body: unknown): EngineAddress {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new AppError('BAD_REQUEST', {
      reasons: ['send a JSON object with Content-Type: application/json'],
    });
  }
  const fields = body as Record<string, unknown>;
  const reasons = Object.keys(fields)
    .filter((name) => !FIELDS.has(name))
    .map(() => `there are only ${[...FIELDS].join(', ')}`)
    .slice(0, 1);
  const expect = <T>(value: unknown, is: (value: unknown) => value is T, reason: string): T => {
    if (!is(value)) reasons.push(reason);
    return value as T;
  };
  const host = expect(fields['host'], isHostText, 'host is a host name or an IP address');
  const port = expect(fields['port'], isPort, 'port is a whole number from 1 to 65535');
  const forwarded = expect(fields['forwarded'] ?? false, isBoolean, 'forwarded is true or false');
  const max = expect(
    fields['max'] ?? null,
    isMax,
    'max is a whole number from 1 to 10000, or null',
  );
  const id = expect(
    fields['id'] ?? null,
    isEngineId,
    'id is 1 to 128 of letters, digits and _ . : - [ ]',
  );
  if (reasons.length > 0) throw new AppError('BAD_REQUEST', { reasons });
  const address = { host: host.toLowerCase(), port };
  return { id: id ?? authority(address.host, port), ...address, forwarded, max };
}

function isHostText(value: unknown): value is string {
  return typeof value === 'string' && isUrlHost(value);
}

function isPort(value: unknown): value is number {
  return isWhole(value, MAX_PORT);
}

function isMax(value: unknown): value is number | null {
  return value === null || isWhole(value, MAX_STREAMS);
}

function isWhole(value: unknown, max: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= max;
}

function isBoolean(value: unknown): value is boolean {
  return typeof value === 'boolean';
}

function isEngineId(value: unknown): value is string | null {
  return value === null || (typeof value === 'string' && ENGINE_ID.test(value));
}
