import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { showValue } from './config-error.js';
import type { ConfigFault } from './config-error.js';
import { nearest } from './nearest.js';
import { fileKey, VARIABLE_NAMES, VARIABLES } from './schema.js';
import type { VariableName } from './schema.js';

/** What one file says, as text, and what is wrong with its shape. */
export interface ConfigLayer {
  readonly path: string;
  readonly values: Readonly<Record<string, string>>;
}

const NAMES_BY_KEY = new Map<string, VariableName>(
  VARIABLE_NAMES.map((name) => [fileKey(name), name]),
);
/** The value of NODE_ENV becomes a file name. */
const SAFE_FILE_NAME = /^[A-Za-z0-9_-]{1,64}$/;

/** `default.json`, then `<NODE_ENV>.json`; either may be missing. The later one wins. */
export function readLayers(
  configDir: string,
  nodeEnv: string | undefined,
  faults: ConfigFault[],
): ConfigLayer[] {
  const names = ['default'];
  if (nodeEnv !== undefined && nodeEnv !== '' && nodeEnv !== 'default') {
    if (SAFE_FILE_NAME.test(nodeEnv)) names.push(nodeEnv);
    else faults.push(badNodeEnv(nodeEnv));
  }
  return names.flatMap((name) => readLayer(join(configDir, `${name}.json`), faults) ?? []);
}

function readLayer(path: string, faults: ConfigFault[]): ConfigLayer | null {
  const content = readContent(path, faults);
  if (content === null) return null;
  const values: Record<string, string> = {};
  for (const [key, raw] of Object.entries(content)) {
    const name = NAMES_BY_KEY.get(key);
    if (name === undefined) {
      faults.push(unknownKey(path, key, raw));
      continue;
    }
    const text = asText(raw, VARIABLES[name].format.list);
    if (text === null) faults.push(wrongShape(path, key, name, raw));
    else values[key] = text;
  }
  return { path, values };
}

function readContent(path: string, faults: ConfigFault[]): object | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    faults.push(fileFault(path, `cannot be read: ${messageOf(error)}`));
    return null;
  }
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed;
    faults.push(fileFault(path, 'must hold one JSON object'));
  } catch (error) {
    faults.push(fileFault(path, `is not JSON${placeOf(messageOf(error))}`));
  }
  return null;
}

/** Files may use JSON numbers and booleans; the grammar is that of the environment all the same. */
function asText(raw: unknown, list: boolean): string | null {
  if (typeof raw === 'string') return raw;
  if (typeof raw === 'number' || typeof raw === 'boolean') return String(raw);
  if (list && Array.isArray(raw) && raw.every((item) => typeof item === 'string')) {
    return raw.join(',');
  }
  return null;
}

function unknownKey(path: string, key: string, raw: unknown): ConfigFault {
  const meant = nearest(key, [...NAMES_BY_KEY.keys()]);
  const name = NAMES_BY_KEY.get(meant ?? '');
  // What was meant for a secret is one, whatever its name has become.
  const secret = name !== undefined && isSensitive(name);
  const hint = meant === null ? 'the table in README.md lists the keys' : `did you mean ${meant}?`;
  return {
    name: key,
    source: path,
    value: showValue(key, raw, secret),
    message: `unknown key: ${hint}`,
  };
}

function wrongShape(path: string, key: string, name: VariableName, raw: unknown): ConfigFault {
  const { format } = VARIABLES[name];
  return {
    name: key,
    source: path,
    value: showValue(name, raw, isSensitive(name)),
    message: `must be ${format.allowed}`,
  };
}

/** True when the value of the variable must never be printed. */
export function isSensitive(name: VariableName): boolean {
  return 'sensitive' in VARIABLES[name];
}

function badNodeEnv(nodeEnv: string): ConfigFault {
  return {
    name: 'NODE_ENV',
    source: 'environment',
    value: showValue('NODE_ENV', nodeEnv),
    message: 'must be letters, digits, "-" and "_": it names a file',
  };
}

function fileFault(path: string, message: string): ConfigFault {
  return { name: path, source: 'file', value: null, message };
}

/** The parser's own words may quote what stands there, and with it a key or a password. */
function placeOf(message: string): string {
  const position = /at position \d+/.exec(message)?.[0];
  return position === undefined ? '' : ` ${position}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
