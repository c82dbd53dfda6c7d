import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** What one command of a worker does, in words: `acquireOwner`, `hgetall`. */
export interface RedisStep {
  readonly name: string;
  /** Process id of the worker that sends it. */
  readonly pid: number;
}

/**
 * `pass` it on, let it run and lose the `answer`, or lose it as a whole. The connection stays: a worker
 * that is about to die must not learn from a closed one that it should refuse its players. `cut` closes
 * it before Redis has seen the command, `cut after` when Redis has answered.
 */
export type Verdict = 'pass' | 'answer lost' | 'lost' | 'cut' | 'cut after';

export interface StepRelay {
  readonly url: string;
  /** Asked for each command that names the watched content. */
  onStep: (step: RedisStep) => Verdict;
  close(): void;
}

const LUA = new URL('../../src/shared/redis/lua/', import.meta.url);

/** SHA-1 → name, because scripts are called by their hash. */
function scriptNames(): ReadonlyMap<string, string> {
  return new Map(
    readdirSync(LUA).map((file) => [
      sha1(readFileSync(new URL(file, LUA))),
      file.replace(/-\d+\.lua$/, ''),
    ]),
  );
}

/** A way to Redis that counts the commands about one content, and can end in the middle of them. */
export async function openStepRelay(redisPort: number, content: string): Promise<StepRelay> {
  const sockets = new Set<Socket>();
  const names = scriptNames();
  const relay = {
    url: '',
    onStep: (): Verdict => 'pass',
    close: (): void => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  } as StepRelay & { url: string };
  const server = createServer((near) => {
    const far = connect(redisPort, '127.0.0.1');
    let pid: number | null = null;
    let muted = false;
    let ends = false;
    let rest: Buffer = Buffer.alloc(0);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    far.on('data', (bytes) => {
      if (ends) near.destroy();
      else if (!muted) near.write(bytes);
    });
    near.on('data', (bytes) => {
      rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
      for (let found = readCommand(rest); found !== null; found = readCommand(rest)) {
        const raw = rest.subarray(0, found.end);
        rest = rest.subarray(found.end);
        const texts = found.args.map((arg) => (arg.length < 400 ? arg.toString('latin1') : ''));
        const name = nameOf(found.args, names);
        pid ??= pidIn(texts, name);
        const counts = pid !== null && texts.some((text) => text.includes(content));
        const step = { name, pid: pid ?? 0 };
        const verdict = counts ? relay.onStep(step) : 'pass';
        if (verdict === 'cut') {
          near.destroy();
          return;
        }
        if (verdict === 'cut after') ends = true;
        else if (verdict !== 'pass') muted = true;
        if (verdict !== 'lost') far.write(raw);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  relay.url = `redis://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  return relay;
}

/**
 * The worker that speaks, by its id `<host>:<pid>:<nonce>`: in its heartbeat, and in the chunks on its
 * connection for data. The primary names workers too, when it frees what they held.
 */
function pidIn(texts: readonly string[], name: string): number | null {
  const [, key = ''] = texts;
  const beat = /^ace_proxy:worker:[^:]+:(\d+):[0-9a-f]{8}:heartbeat$/.exec(key)?.[1];
  if (beat !== undefined) return Number(beat);
  if (name !== 'appendChunk') return null;
  const ids = texts.map((text) => /^[^:]+:(\d{2,}):[0-9a-f]{8}$/.exec(text)?.[1]);
  return Number(ids.find((id) => id !== undefined) ?? 0) || null;
}

/** What a command is called: a script by its name, whether it is sent by its hash or as a whole. */
function nameOf(args: readonly Buffer[], names: ReadonlyMap<string, string>): string {
  const [command = '', script = Buffer.alloc(0)] = [args[0]?.toString().toLowerCase(), args[1]];
  if (command !== 'evalsha' && command !== 'eval') return command;
  const sha = command === 'evalsha' ? script.toString() : sha1(script);
  return names.get(sha) ?? command;
}

function sha1(bytes: Buffer): string {
  return createHash('sha1').update(bytes).digest('hex');
}

/** The first whole command of these bytes: an array of bulk strings. */
function readCommand(bytes: Buffer): { readonly args: Buffer[]; readonly end: number } | null {
  const line = (from: number): readonly [number, number] | null => {
    const end = bytes.indexOf('\r\n', from);
    return end === -1 ? null : [Number(bytes.toString('latin1', from + 1, end)), end + 2];
  };
  const head = bytes.length === 0 ? null : line(0);
  if (head === null) return null;
  let [count, at] = head;
  const args: Buffer[] = [];
  for (; count > 0; count--) {
    const length = at < bytes.length ? line(at) : null;
    if (length === null || bytes.length < length[1] + length[0] + 2) return null;
    args.push(bytes.subarray(length[1], length[1] + length[0]));
    at = length[1] + length[0] + 2;
  }
  return { args, end: at };
}
