import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';

import convict from 'convict';

import { buildSettings, settingsWarnings } from './build.js';
import type { Machine } from './build.js';
import { ConfigError, showValue } from './config-error.js';
import type { ConfigFault } from './config-error.js';
import { crossFaults } from './cross-checks.js';
import { isSensitive, readLayers } from './files.js';
import type { ConfigLayer } from './files.js';
import { FormatError } from './formats.js';
import { nearest } from './nearest.js';
import { fileKey, VARIABLE_NAMES, VARIABLES } from './schema.js';
import type { Values, VariableName } from './schema.js';
import type { Settings } from './settings.js';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface LoadOptions {
  readonly env: Environment;
  /** Directory of `default.json` and `<NODE_ENV>.json`; by default `config/` beside package.json. */
  readonly configDir?: string;
  /** By default what the process sees of its machine. */
  readonly machine?: Machine;
}

/** Each of them names a Redis. */
const REDIS_NAMES = ['REDIS_URL', 'REDIS_HOST', 'REDIS_CLUSTER', 'REDIS_SENTINELS'] as const;
/** Variables with these beginnings are ours, so that a misspelt one is a fault. */
const OUR_PREFIX = /^(?:PROXY|ACE)_/;
/** `src/shared/config` and `dist/shared/config` are equally deep. */
const DEFAULT_CONFIG_DIR = fileURLToPath(new URL('../../../config', import.meta.url));

/**
 * The configuration: defaults, then the files, then the environment, the later one winning.
 * Throws `ConfigError` with every fault at once. Reads no state of the process but the files.
 */
export function loadSettings(options: LoadOptions): {
  settings: Settings;
  warnings: string[];
} {
  const { env, configDir = DEFAULT_CONFIG_DIR, machine = thisMachine() } = options;
  const faults: ConfigFault[] = unknownVariables(env);
  const layers = readLayers(configDir, env.NODE_ENV, faults);
  const values = effectiveValues(env, layers, faults);
  faults.push(...crossFaults(values, new Set(faults.map(({ name }) => name))));
  if (faults.length > 0) throw new ConfigError(faults);
  const redisGiven = REDIS_NAMES.some((name) => isGiven(name, env, layers));
  return {
    settings: buildSettings(values, { machine, redisGiven, configDir }),
    warnings: [...settingsWarnings(values), ...unreadVariables(env)],
  };
}

function thisMachine(): Machine {
  return { cores: availableParallelism(), terminal: process.stdout.isTTY };
}

/**
 * convict merges the layers and walks over every entry; our formats report to `faults` instead of
 * throwing, because convict would melt everything into one text that shows values as they are.
 */
function effectiveValues(
  env: Environment,
  layers: readonly ConfigLayer[],
  faults: ConfigFault[],
): Values {
  const values: Partial<Record<VariableName, unknown>> = {};
  const schema: convict.Schema<Record<string, string | null>> = {};
  for (const name of VARIABLE_NAMES) {
    const { default: fallback, doc } = VARIABLES[name];
    schema[fileKey(name)] = {
      doc,
      // Text, or convict would turn "12abc" into the type of the default before it is checked.
      default: fallback,
      env: name,
      sensitive: isSensitive(name),
      format: (raw: string | null) => {
        values[name] = raw === null ? null : parse(name, raw, env, layers, faults);
      },
    };
  }
  // `args: []`, or convict reads the command line of whatever runs us (style 5.6).
  const config = convict(schema, { env, args: [] });
  for (const layer of layers) config.load(layer.values);
  config.validate({ allowed: 'strict' });
  return values as Values;
}

function parse(
  name: VariableName,
  text: string,
  env: Environment,
  layers: readonly ConfigLayer[],
  faults: ConfigFault[],
): unknown {
  const { format } = VARIABLES[name];
  try {
    return format.parse(text);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    const secret = isSensitive(name);
    const detail = error.message === '' || secret ? '' : ` (${showDetail(error.message)})`;
    faults.push({
      name,
      source: sourceOf(name, env, layers),
      value: showValue(name, text, secret),
      message: `must be ${format.allowed}${detail}`,
    });
    return null;
  }
}

/** Details quote the value, so they are masked like it. */
function showDetail(message: string): string {
  return showValue('', message).slice(1, -1);
}

function sourceOf(name: VariableName, env: Environment, layers: readonly ConfigLayer[]): string {
  if (env[name] !== undefined) return 'environment';
  const key = fileKey(name);
  const layer = layers.findLast(({ values }) => key in values);
  return layer === undefined ? 'default' : `"${key}" in ${layer.path}`;
}

function isGiven(name: VariableName, env: Environment, layers: readonly ConfigLayer[]): boolean {
  return sourceOf(name, env, layers) !== 'default';
}

function unknownVariables(env: Environment): ConfigFault[] {
  const known: readonly string[] = VARIABLE_NAMES;
  return Object.entries(env)
    .filter(
      ([name, value]) => OUR_PREFIX.test(name) && value !== undefined && !known.includes(name),
    )
    .map(([name, value]) => {
      const meant = nearest(name, known);
      const hint = meant === null ? 'README.md lists what there is' : `did you mean ${meant}?`;
      return {
        name: escapeName(name),
        source: 'environment',
        // What was meant for a secret is one, whatever its name has become.
        value: showValue(name, value, meant !== null && isSensitive(meant as VariableName)),
        message: `unknown variable: ${hint}`,
      };
    });
}

function escapeName(name: string): string {
  return showValue('', name).slice(1, -1);
}

/** They may belong to somebody else, but are more often a misunderstanding. */
function unreadVariables(env: Environment): string[] {
  return Object.entries({ REDIS_USER: 'REDIS_USERNAME', REDIS_PASS: 'REDIS_PASSWORD' })
    .filter(([name]) => env[name] !== undefined)
    .map(([name, read]) => `${name} is not read: use ${read}`);
}
