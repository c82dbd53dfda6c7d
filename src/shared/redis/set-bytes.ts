import type { Writable } from 'node:stream';
import { Command } from 'ioredis';
import type { RedisClient } from './client.js';

/** What ioredis writes to; it hands the connection's socket to `toWritable`. */
type Connection = Pick<Writable, 'cork' | 'uncork' | 'write'>;

/** `SET key bytes PX ms`, whose bytes go out as they are: ioredis would copy them into one buffer. */
class SetBytesCommand extends Command {
  readonly #bytes: Buffer;

  constructor(key: string, bytes: Buffer, ms: number) {
    super('set', [key, bytes, 'PX', ms]);
    this.#bytes = bytes;
  }

  /** Writes everything but the end, which it returns for ioredis to write. */
  override toWritable(socket: object): string {
    const connection = socket as Connection;
    const [key = '', ms = ''] = [this.args[0], this.args[3]].map(String);
    connection.cork();
    process.nextTick(() => connection.uncork());
    const head = `*5\r\n$3\r\nset\r\n${bulk(key)}$${String(this.#bytes.length)}\r\n`;
    connection.write(head, 'utf8');
    connection.write(this.#bytes);
    return `\r\n$2\r\nPX\r\n${bulk(ms)}`;
  }
}

/**
 * Stores media under a key for `ms`. The bytes are written to the socket without a copy, so they must not
 * change until the answer is there.
 */
export async function setBytes(
  redis: RedisClient,
  key: string,
  bytes: Buffer,
  ms: number,
): Promise<void> {
  await redis.sendCommand(new SetBytesCommand(key, bytes, ms));
}

function bulk(text: string): string {
  return `$${String(Buffer.byteLength(text))}\r\n${text}\r\n`;
}
