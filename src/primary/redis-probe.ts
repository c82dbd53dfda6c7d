import { connect } from 'node:net';

import type { RedisSettings } from '../shared/config/settings.js';

/**
 * Who answers on an address: `redis` also when it wants a password or still loads its data,
 * `other` when something listens that does not speak Redis or says nothing in time.
 */
export type ProbeAnswer = 'redis' | 'other' | 'nothing';

export type RedisChoice =
  | { readonly embed: false }
  /** `preferredPort` is where the operator's `redis-cli` would look; the port may be taken. */
  | { readonly embed: true; readonly preferredPort: number; readonly why: string };

const REDIS_REPLY = /^(?:\+PONG|-[A-Z]+ .*)\r\n/;
const PROCESS_ID = /\r\nprocess_id:(\d+)\r\n/;
/** INFO's server section is about 1 KB; whoever says more without the answer is no Redis. */
const MAX_REPLY_BYTES = 16_384;

/** True when `chooseRedis` needs to know who answers on the configured address. */
export function needsProbe(redis: RedisSettings): boolean {
  return redis.embedded === 'auto' && !redis.given;
}

/** Whether the primary runs its own Redis (`REDIS_EMBEDDED`, spec 2.2). */
export function chooseRedis(redis: RedisSettings, answer: ProbeAnswer | null): RedisChoice {
  const place = `${redis.host}:${String(redis.port)}`;
  if (redis.embedded === 'always') {
    return { embed: true, preferredPort: redis.port, why: 'REDIS_EMBEDDED is "always"' };
  }
  if (!needsProbe(redis) || answer === 'redis') return { embed: false };
  const why =
    answer === 'other'
      ? `no Redis is configured, and what listens on ${place} does not speak Redis`
      : `no Redis is configured, and nothing answers on ${place}`;
  return { embed: true, preferredPort: redis.port, why };
}

/** Asks with a raw PING, so that no client library begins to reconnect. Never rejects. */
export async function probeRedis(
  host: string,
  port: number,
  timeoutMs: number,
): Promise<ProbeAnswer> {
  const { connected, text } = await ask({ host, port, timeoutMs }, 'PING', REDIS_REPLY);
  if (!connected) return 'nothing';
  return REDIS_REPLY.test(text) ? 'redis' : 'other';
}

/** The process id of the Redis that answers there, or `null`: to know one's own from a stranger. */
export async function redisProcessId(
  host: string,
  port: number,
  timeoutMs: number,
): Promise<number | null> {
  const { text } = await ask({ host, port, timeoutMs }, 'INFO server', PROCESS_ID);
  const found = PROCESS_ID.exec(text)?.[1];
  return found === undefined ? null : Number(found);
}

interface Target {
  readonly host: string;
  readonly port: number;
  readonly timeoutMs: number;
}

interface Reply {
  readonly connected: boolean;
  readonly text: string;
}

/** Sends one inline command and listens until `enough` matches, the peer closes or time is up. */
function ask(target: Target, command: string, enough: RegExp): Promise<Reply> {
  return new Promise((resolve) => {
    const socket = connect({ host: target.host, port: target.port });
    let connected = false;
    let text = '';
    const finish = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ connected, text });
    };
    // Not socket.setTimeout: a peer that drips would keep that one from firing.
    const timer = setTimeout(finish, target.timeoutMs);
    socket.setEncoding('latin1');
    socket.on('connect', () => {
      connected = true;
      socket.write(`${command}\r\n`);
    });
    socket.on('data', (part: string) => {
      text += part;
      if (enough.test(text) || text.length > MAX_REPLY_BYTES) finish();
    });
    socket.on('error', finish);
    socket.on('close', finish);
  });
}
