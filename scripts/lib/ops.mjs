// What the operators' scripts share: arguments, the connection to Redis, exit codes. They work by
// Redis alone, so they also help when no proxy answers.
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';

export const EXIT = { ok: 0, nothing: 1, usage: 2, redis: 3 };

const OPTIONS = {
  redis: { type: 'string' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
};

const COMMON_HELP = `
Options:
  --redis URL   redis://, rediss:// or unix://; otherwise the REDIS_* variables of the proxy
                (REDIS_CLUSTER and REDIS_SENTINELS too), or what config/ says
  --json        JSON instead of text
  -h, --help    this text

Exit codes: 0 done, 1 nothing found, 2 wrong use, 3 Redis cannot be reached`;

/** An end with something to say and an exit code, that is no defect. */
export class OpsError extends Error {
  constructor(message, exitCode) {
    super(message);
    this.exitCode = exitCode;
  }
}

/**
 * Runs a script: `run({ redis, keys, ids, now, load, values, positionals, print })` answers with an
 * exit code or nothing (0). `positionals` are the names of the arguments, all of them needed.
 */
export async function runOps({ help, positionals = [], options = {}, run }) {
  try {
    const args = readArgs(positionals, options);
    if (args.values.help) {
      console.log(help.trim() + '\n' + COMMON_HELP);
      return;
    }
    process.exitCode = (await withRedis(args, run)) ?? EXIT.ok;
  } catch (error) {
    if (!(error instanceof OpsError)) throw error;
    console.error(error.message);
    process.exitCode = error.exitCode;
  }
}

function readArgs(names, options) {
  let args;
  try {
    args = parseArgs({ options: { ...OPTIONS, ...options }, allowPositionals: true });
  } catch (error) {
    throw new OpsError(`${error.message} (see --help)`, EXIT.usage);
  }
  if (!args.values.help && args.positionals.length !== names.length) {
    const wanted = names.length === 0 ? 'no arguments' : names.map((name) => `<${name}>`).join(' ');
    throw new OpsError(`expected ${wanted} (see --help)`, EXIT.usage);
  }
  return args;
}

async function withRedis({ values, positionals }, run) {
  const load = await makeLoader();
  const settings = await readSettings(load, values.redis);
  const { openOpsConnection } = await load('redis/ops-connection');
  const { makeKeys } = await load('redis/keys');
  const { classifyRedisFailure, explainRefusal } = await load('redis/failures');
  const connection = await openOpsConnection(settings).catch((error) => {
    const reason = explainRefusal(error) ?? error.message;
    throw new OpsError(`Redis cannot be reached: ${reason}`, EXIT.redis);
  });
  try {
    return await run({
      redis: connection.redis,
      keys: makeKeys({ hashTags: settings.hashTags }),
      ids: await load('ids'),
      now: () => Date.now(),
      load,
      values,
      positionals,
      print: (value, text) =>
        console.log(values.json ? JSON.stringify(value, null, 2) : text(value)),
    });
  } catch (error) {
    if (error instanceof OpsError || classifyRedisFailure(error) === 'defect') throw error;
    const reason = explainRefusal(error);
    throw new OpsError(
      reason === null ? `Redis went away: ${error.message}` : `Redis refuses this: ${reason}`,
      EXIT.redis,
    );
  } finally {
    await connection.close();
  }
}

/** Settings as the proxy reads them, so that both look at the same keys of the same Redis. */
async function readSettings(load, url) {
  const { loadSettings } = await load('config/load');
  const other = { REDIS_CLUSTER: undefined, REDIS_SENTINELS: undefined };
  const env =
    url === undefined
      ? process.env
      : { ...process.env, ...other, REDIS_SENTINEL_NAME: undefined, REDIS_URL: url };
  try {
    return loadSettings({ env }).settings.redis;
  } catch (error) {
    if (error.name !== 'ConfigError') throw error;
    throw new OpsError(error.message, EXIT.usage);
  }
}

/**
 * Modules of `src/shared`: the compiled ones where there is a build, else the sources through tsx.
 * `node --import tsx scripts/…` wants the sources although there is a build.
 */
export async function makeLoader() {
  const at = (path) => new URL(`../../${path}`, import.meta.url);
  const throughTsx = process.execArgv.some((argument) => /(^|=)tsx$/.test(argument));
  if (!throughTsx && existsSync(at('dist/shared/redis/ops-connection.js'))) {
    return (name) => import(at(`dist/shared/${name}.js`).href);
  }
  if (!throughTsx) (await import('tsx/esm/api')).register();
  return (name) => import(at(`src/shared/${name}.ts`).href);
}

/** The stream of an argument. */
export function streamArgument(ids, text) {
  const id = ids.parseStreamId(text);
  if (id === null) throw new OpsError('a stream is named by its forty hex digits', EXIT.usage);
  return id;
}

/** Columns as wide as their widest cell; numbers to the right. */
export function table(headings, rows) {
  const cells = [headings, ...rows.map((row) => row.map((cell) => String(cell ?? '–')))];
  const widths = headings.map((_, at) => Math.max(...cells.map((row) => row[at].length)));
  const right = headings.map((_, at) => rows.every((row) => typeof row[at] === 'number'));
  return cells
    .map((row) =>
      row
        .map((cell, at) => (right[at] ? cell.padStart(widths[at]) : cell.padEnd(widths[at])))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

export function megabits(bitsPerSecond) {
  return bitsPerSecond === null ? null : `${(bitsPerSecond / 1e6).toFixed(2)} Mbit/s`;
}

export function clock(ms) {
  return ms === null ? null : new Date(ms).toISOString();
}
