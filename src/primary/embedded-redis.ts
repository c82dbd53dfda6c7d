import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import type { Clock } from '../shared/clock.js';
import { sleep } from '../shared/clock.js';
import type { Logger } from '../shared/log/logger.js';
import { memoryFor } from '../shared/ring-memory.js';
import { redisProcessId } from './redis-probe.js';
import { RedisProcess } from './redis-process.js';
import type { RedisExit } from './redis-process.js';

export interface EmbeddedRedisOptions {
  readonly logger: Logger;
  readonly clock: Clock;
  /** Taken when it is free, so that the operator's `redis-cli` finds it; else any free one. */
  readonly preferredPort: number;
  /** Database number of the URL. */
  readonly db: number;
  /** Called when a server that had died answers again, empty, on the same port. */
  readonly onRestart?: () => void;
  /** `redis-server` unless told otherwise. */
  readonly command?: string;
  readonly maxMemoryBytes: number;
}

/** The program is missing or does not run; the message says what to do. */
export class RedisServerMissing extends Error {
  constructor(command: string, cause: unknown) {
    super(
      `"${command}" cannot be run, and no other Redis is configured. Install it ` +
        '(Debian/Ubuntu: apt-get install redis-server; Fedora: dnf install redis; macOS: brew install redis), ' +
        'or name a running one with REDIS_URL.',
      { cause },
    );
    this.name = 'RedisServerMissing';
  }
}

const EmbeddedState = {
  Starting: 'starting',
  Running: 'running',
  /** Dead, and waiting for the next try. */
  BackingOff: 'backing-off',
  Stopped: 'stopped',
} as const;
type EmbeddedState = (typeof EmbeddedState)[keyof typeof EmbeddedState];

const LOOPBACK = '127.0.0.1';
const MIB = 1_048_576;
/** Redis itself, and a few streams of radio. */
const LEAST_MEMORY = 128 * MIB;
const READY_DEADLINE_MS = 5_000;
const READY_POLL_MS = 20;
const PROBE_TIMEOUT_MS = 500;
const VERSION_DEADLINE_MS = 5_000;
/** The first restart is at once: players bridge 2 s (spec 3.7). */
const BACKOFF_MS = [0, 100, 200, 500, 1_000, 2_000, 5_000] as const;
/** A server that lived this long begins the back-off anew. */
const STABLE_MS = 10_000;
/** Redis has 16 databases unless told. */
const DATABASES = 16;

/** Our own `redis-server` on 127.0.0.1, for installations that have no other (spec 2.2). */
export class EmbeddedRedis {
  readonly url: string;
  readonly port: number;
  readonly #options: EmbeddedRedisOptions;
  readonly #directory: string;
  readonly #aborter = new AbortController();
  #state: EmbeddedState = EmbeddedState.Starting;
  #process: RedisProcess | null = null;
  #failures = 0;
  #supervision: Promise<void> = Promise.resolve();

  private constructor(options: EmbeddedRedisOptions, port: number, directory: string) {
    this.#options = options;
    this.#directory = directory;
    this.port = port;
    this.url = `redis://${LOOPBACK}:${String(port)}/${String(options.db)}`;
  }

  /** Resolves when the server answers. Throws `RedisServerMissing`, or what the server printed. */
  static async start(options: EmbeddedRedisOptions): Promise<EmbeddedRedis> {
    await requireCommand(options.command ?? 'redis-server');
    const directory = await mkdtemp(join(tmpdir(), 'acestream-proxy-redis-'));
    const port = await freePort(options.preferredPort);
    const redis = new EmbeddedRedis(options, port, directory);
    try {
      await redis.#launch();
    } catch (error) {
      await redis.stop();
      throw error;
    }
    redis.#supervision = redis.#supervise();
    return redis;
  }

  /** The server's process, `null` while it is down. */
  get pid(): number | null {
    return this.#process?.running === true ? this.#process.pid : null;
  }

  get state(): EmbeddedState {
    return this.#state;
  }

  /** SIGTERM, then SIGKILL after 2 s; nothing is left behind. May be called twice. */
  async stop(): Promise<void> {
    this.#enter(EmbeddedState.Stopped);
    this.#aborter.abort(new Error('the embedded Redis is being stopped'));
    await this.#process?.stop();
    await this.#supervision;
    await rm(this.#directory, { recursive: true, force: true });
  }

  /** Waits for each death and brings the server back on the same port, until `stop`. */
  async #supervise(): Promise<void> {
    while (this.#process !== null) {
      const begun = this.#options.clock.monotonic();
      const exit = await this.#process.exited;
      if (this.#isStopped()) return;
      if (this.#options.clock.monotonic() - begun >= STABLE_MS) this.#failures = 0;
      await this.#backOff(exit);
      if (this.#isStopped()) return;
      await this.#relaunch();
    }
  }

  async #backOff(exit: RedisExit): Promise<void> {
    this.#enter(EmbeddedState.BackingOff);
    const delayMs = backoffMs(this.#failures);
    this.#failures += 1;
    const { code, signal, output } = exit;
    const why = signal === null ? { code, output } : { signal };
    this.#options.logger.error('the embedded Redis died', { ...why, delayMs });
    await sleep(this.#options.clock, delayMs, this.#aborter.signal).catch(() => undefined);
  }

  async #relaunch(): Promise<void> {
    try {
      await this.#launch();
      this.#options.logger.warn('the embedded Redis is back, empty', { port: this.port });
      this.#options.onRestart?.();
    } catch (error) {
      if (this.#isStopped()) return;
      this.#options.logger.error('the embedded Redis did not come back', { error });
      // One that does not even die of SIGKILL is told of by the next try: its port is taken.
      await this.#process?.stop().catch(() => undefined);
    }
  }

  async #launch(): Promise<void> {
    this.#enter(EmbeddedState.Starting);
    // Whoever cleans up temporary files may have taken it away since the last start.
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    this.#aborter.signal.throwIfAborted();
    const server = new RedisProcess({
      command: this.#options.command ?? 'redis-server',
      port: this.port,
      directory: this.#directory,
      maxMemoryBytes: this.#options.maxMemoryBytes,
      databases: Math.max(DATABASES, this.#options.db + 1),
    });
    this.#process = server;
    await this.#answering(server);
    this.#aborter.signal.throwIfAborted();
    this.#enter(EmbeddedState.Running);
  }

  /** Our own pid has to answer: a stranger on the same port would be taken for our server. */
  async #answering(server: RedisProcess): Promise<void> {
    const { clock } = this.#options;
    const deadline = clock.monotonic() + READY_DEADLINE_MS;
    while (server.running && clock.monotonic() < deadline) {
      const pid = await redisProcessId(LOOPBACK, this.port, PROBE_TIMEOUT_MS);
      if (pid !== null && pid === server.pid) return;
      await sleep(clock, READY_POLL_MS, this.#aborter.signal);
    }
    const { output } = server.running ? { output: 'no answer' } : await server.exited;
    throw new Error(`redis-server did not start on port ${String(this.port)}: ${output.trim()}`);
  }

  #isStopped(): boolean {
    return this.#state === EmbeddedState.Stopped;
  }

  /** Nothing leads out of `stopped`, whatever was still on its way when `stop` was called. */
  #enter(state: EmbeddedState): void {
    if (this.#state !== EmbeddedState.Stopped) this.#state = state;
  }
}

/** Memory that this process may use; `constrained` is the cgroup's limit (0 or huge: none). */
export function usableMemory(
  total = totalmem(),
  constrained: number = process.constrainedMemory(),
): number {
  return constrained > 0 ? Math.min(total, constrained) : total;
}

/**
 * `maxmemory` for so many streams with full rings, at most half of what is usable: the workers need
 * the other half. It is a bound and takes no memory before there are chunks.
 */
export function embeddedMemory(usable: number, streams: number, ringBytes: number): number {
  const wanted = Math.max(memoryFor(streams, ringBytes), LEAST_MEMORY);
  return Math.floor(Math.min(wanted, Math.max(usable / 2, LEAST_MEMORY)));
}

/** Milliseconds before the next try after this many failures in a row. */
export function backoffMs(failures: number): number {
  return BACKOFF_MS[Math.min(failures, BACKOFF_MS.length - 1)] ?? 0;
}

async function requireCommand(command: string): Promise<void> {
  try {
    await promisify(execFile)(command, ['--version'], { timeout: VERSION_DEADLINE_MS });
  } catch (error) {
    throw new RedisServerMissing(command, error);
  }
}

async function freePort(preferred: number): Promise<number> {
  return (await tryPort(preferred)) ?? (await tryPort(0)) ?? preferred;
}

/** The port when it can be listened on; 0 asks the system for one. */
function tryPort(port: number): Promise<number | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(null));
    server.listen({ port, host: LOOPBACK, exclusive: true }, () => {
      const address = server.address();
      server.close(() =>
        resolve(typeof address === 'object' && address !== null ? address.port : null),
      );
    });
  });
}
