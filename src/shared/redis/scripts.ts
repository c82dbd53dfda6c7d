import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { RedisClient } from './client.js';

/** What a script takes and gives on the wire; the typed stores give it meaning. */
export type ScriptArg = string | number | Buffer;
export type Script = (keys: readonly string[], args: readonly ScriptArg[]) => Promise<unknown>;

type Command = (...args: ScriptArg[]) => Promise<unknown>;

/** The text of `lua/<file>.lua`, and the number of fixed keys that its name ends with. */
function readScript(file: string): { readonly lua: string; readonly fixedKeys: number } {
  const lua = readFileSync(fileURLToPath(new URL(`lua/${file}.lua`, import.meta.url)), 'utf8');
  return { lua, fixedKeys: Number(/-(\d+)$/.exec(file)?.[1]) };
}

/**
 * Loads `lua/<file>.lua` as a command of this connection (EVALSHA, with EVAL where it is not yet
 * known). The number in the file's name is the number of fixed keys; more may follow them.
 */
export function defineScript(redis: RedisClient, file: string): Script {
  const name = `ace_${file.replace(/-\d+$/, '')}`;
  const { lua, fixedKeys } = readScript(file);
  redis.defineCommand(name, { lua });
  const command = (redis as unknown as Record<string, Command>)[name]?.bind(redis);
  return (keys, args) => {
    if (command === undefined || keys.length < fixedKeys) {
      return Promise.reject(new Error(`${file} needs ${String(fixedKeys)} keys`));
    }
    return command(keys.length, ...keys, ...args);
  };
}
