import { isHost as isPlainHost } from '../../shared/config/formats.js';
import type { EngineAddress } from '../../shared/config/settings.js';

/** What is safe in a key, a path of a route, a log line and a metric label. */
const ENGINE_ID = /^[\w.:[\]-]{1,300}$/;

export function isEngineId(text: string): boolean {
  return ENGINE_ID.test(text);
}

/** A host name, a container name, or an IP address; IPv6 with or without brackets. */
export function isHost(text: string): boolean {
  return isPlainHost(unbracket(text));
}

export function isPort(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65_535;
}

/** The address on which everything of this engine is asked for; `path` begins with `/`. */
export function engineUrl(engine: Pick<EngineAddress, 'host' | 'port'>, path: string): URL {
  const host = unbracket(engine.host);
  const authority = host.includes(':') ? `[${host}]` : host;
  return new URL(`http://${authority}:${String(engine.port)}${path}`);
}

export interface RehostedPath {
  /** Path and query, beginning with `/`. */
  readonly path: string;
  /** The host the engine named, when it is not the one we know it by. */
  readonly foreignHost: string | null;
}

/**
 * Path and query of whatever URL an engine names, absolute or relative: its host is never
 * contacted, so that no engine can send the proxy elsewhere (engine-api 3.7). `null` when there is
 * no path in it.
 */
export function rehost(named: string, base: URL): RehostedPath | null {
  if (named === '' || !URL.canParse(named, base.href)) return null;
  const url = new URL(named, base);
  if (!url.pathname.startsWith('/')) return null;
  return {
    path: url.pathname + url.search,
    foreignHost: url.host === base.host ? null : url.host,
  };
}

function unbracket(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
}
