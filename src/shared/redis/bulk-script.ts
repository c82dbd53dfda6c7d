import { createHash } from 'node:crypto';
import type { Writable } from 'node:stream';
import { Command } from 'ioredis';
import type { RedisClient } from './client.js';
import { readScript, type Script, type ScriptArg } from './scripts.js';

/** What ioredis writes to; it hands the connection's socket to `toWritable`. */
type Connection = Pick<Writable, 'cork' | 'uncork' | 'write'>;

/** Arguments that are media go out as they are; ioredis would copy them into one buffer per command. */
abstract class BulkCommand extends Command {
  /** Writes everything but the end, which it returns for ioredis to write. */
  override toWritable(socket: object): string {
    const connection = socket as Connection;
    connection.cork();
    process.nextTick(() => connection.uncork());
    const { length } = this.args;
    let text = `*${String(length + 1)}\r\n$${String(this.name.length)}\r\n${this.name}\r\n`;
    for (const arg of this.args) {
      if (Buffer.isBuffer(arg)) {
        connection.write(`${text}$${String(arg.length)}\r\n`, 'utf8');
        connection.write(arg);
        text = '\r\n';
      } else {
        const value = String(arg);
        text += `$${String(Buffer.byteLength(value))}\r\n${value}\r\n`;
      }
    }
    return text;
  }
}

/**
 * As `defineScript`, for a script that takes media: the bytes of its arguments are written to the
 * socket without a copy, so they must not change until the answer is there. EVALSHA, with EVAL for
 * the first call on a connection.
 */
export function defineBulkScript(redis: RedisClient, file: string): Script {
  const { lua, fixedKeys } = readScript(file);
  const sha = createHash('sha1').update(lua).digest('hex');
  let knownBy = new WeakSet();

  class ScriptCommand extends BulkCommand {
    override toWritable(socket: object): string {
      const known = knownBy.has(socket);
      knownBy.add(socket);
      this.name = known ? 'evalsha' : 'eval';
      this.args[0] = known ? sha : lua;
      return super.toWritable(socket);
    }
  }

  const send = (keys: readonly string[], args: readonly ScriptArg[]): Promise<unknown> => {
    const command = new ScriptCommand('evalsha', [sha, keys.length, ...keys, ...args]);
    return redis.sendCommand(command) as Promise<unknown>;
  };
  return async (keys, args) => {
    if (keys.length < fixedKeys) throw new Error(`${file} needs ${String(fixedKeys)} keys`);
    try {
      return await send(keys, args);
    } catch (error) {
      if (!isUnknownScript(error)) throw error;
      // SCRIPT FLUSH while the connection stood.
      knownBy = new WeakSet();
      return send(keys, args);
    }
  };
}

function isUnknownScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT');
}
