import { setTimeout as delay } from 'node:timers/promises';
import type { StreamId } from '../../src/shared/ids.js';
import { openRedisFixture, type RedisFixture } from '../helpers/redis-fixture.js';
import { until } from '../helpers/until.js';
import { startWorkers, type KitWorker } from '../helpers/worker-kit.js';
import { startEngine, type SimulatedEngine } from '../simulator/engine.js';

/** What a race came to. */
export interface RaceResult {
  /** What happened how often. */
  readonly what: string;
  readonly sessionsStarted: number;
  readonly sessionsStopped: number;
  /** What went wrong or was left behind; empty when all is well. */
  readonly faults: readonly string[];
  readonly seconds: number;
}

const WORKERS = 8;
const GRACE_MS = 200;
/** Races that run at the same time, each on a channel of its own. */
const AT_ONCE = 10;

/** Eight workers in this process on a real Redis, and one engine. */
export class RaceWorld {
  readonly #fixture: RedisFixture;
  readonly #engine: SimulatedEngine;
  readonly #workers: readonly KitWorker[];
  #channels = 0;

  private constructor(fixture: RedisFixture, engine: SimulatedEngine, workers: KitWorker[]) {
    this.#fixture = fixture;
    this.#engine = engine;
    this.#workers = workers;
  }

  static async open(): Promise<RaceWorld> {
    const fixture = await openRedisFixture();
    const engine = await startEngine({ prebufferMs: 0, startDelayMs: 5 });
    const settings = { graceMs: GRACE_MS };
    const kit = { redis: fixture.settings, engines: [engine], settings };
    return new RaceWorld(fixture, engine, await startWorkers(WORKERS, kit));
  }

  /** All workers are asked for one new channel at the same moment, so many times. */
  async openAtOnce(times: number): Promise<RaceResult> {
    return this.#measure(
      `${String(WORKERS)} workers opened one channel at once, ${String(times)} times`,
      async (fault) => {
        for (let done = 0; done < times; done += AT_ONCE) {
          const rounds = Array.from({ length: Math.min(AT_ONCE, times - done) }, () =>
            this.#openOnce().catch((error: unknown) => fault(String(error))),
          );
          await Promise.all(rounds);
        }
      },
    );
  }

  /** A player leaves and one comes back after each ms up to `lastMs`, half of them elsewhere. */
  async comeBack(lastMs: number): Promise<RaceResult> {
    const graceAndStop = `${String(GRACE_MS)} ms grace period and the stop`;
    return this.#measure(
      `a player came back at each ms from 0 to ${String(lastMs)} (${graceAndStop})`,
      async (fault) => {
        for (let first = 0; first <= lastMs; first += AT_ONCE) {
          const moments = Array.from({ length: AT_ONCE }, (_, n) => first + n);
          await Promise.all(
            moments.map((ms) =>
              this.#comeBackAfter(ms).catch((error: unknown) =>
                fault(`after ${String(ms)} ms: ${String(error)}`),
              ),
            ),
          );
        }
      },
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.stop()));
    await this.#engine.stop();
    await this.#fixture.close();
  }

  async #openOnce(): Promise<void> {
    const stream = this.#nextChannel();
    const players = this.#workers.map((worker) => worker.play(stream));
    try {
      await Promise.all(players.map((player) => player.untilMedia(188)));
      const owners = this.#workers.filter((worker) => worker.owns(stream)).length;
      if (owners !== 1) throw new Error(`${String(owners)} owners of ${stream}`);
      const { [stream]: starts } = this.#engine.witness.starts;
      if (starts !== 1) throw new Error(`${String(starts)} sessions of ${stream}`);
    } finally {
      for (const player of players) player.leave();
    }
  }

  async #comeBackAfter(ms: number): Promise<void> {
    const stream = this.#nextChannel();
    const first = this.#worker(ms).play(stream);
    await first.untilMedia(188);
    first.leave();
    await delay(ms);
    const again = this.#worker(ms + (ms % 2)).play(stream);
    try {
      await again.untilMedia(188 * 100);
      // A stream that was about to end would not outlive this.
      await again.untilMedia(188 * 400);
      if (again.closed) throw new Error('closed in mid-play');
    } finally {
      again.leave();
    }
  }

  async #measure(
    what: string,
    run: (fault: (text: string) => void) => Promise<void>,
  ): Promise<RaceResult> {
    const startedAt = Date.now();
    this.#engine.reset();
    const faults: string[] = [];
    await run((text) => faults.push(text));
    faults.push(...(await this.#leftovers()));
    const { sessions } = this.#engine.witness;
    return {
      what,
      sessionsStarted: sessions.length,
      sessionsStopped: sessions.filter(({ how }) => how === 'stop').length,
      faults,
      seconds: (Date.now() - startedAt) / 1_000,
    };
  }

  /** What is left when everything should be over. */
  async #leftovers(): Promise<string[]> {
    let left: string[] = [];
    const look = async (): Promise<string[]> => {
      const { redis, keys } = this.#fixture;
      const slots = await redis.hlen(keys.engines.reservations);
      const sockets = this.#workers.reduce((sum, { openSockets }) => sum + openSockets, 0);
      const registries = this.#workers.map((worker) => worker.parts.registry);
      const streams = registries.reduce((sum, { streamCount }) => sum + streamCount, 0);
      return [
        ...(await redis.keys('ace_proxy:stream:*')).map((key) => `${key} is left`),
        ...(slots > 0 ? [`${String(slots)} slots are left`] : []),
        ...(sockets > 0 ? [`${String(sockets)} sockets of players are left`] : []),
        ...(streams > 0 ? [`${String(streams)} streams are left in workers`] : []),
        ...this.#engine.witness.faults(),
      ];
    };
    await until('rest', async () => (left = await look()).length === 0, 8_000).catch(() => null);
    return left;
  }

  #worker(n: number): KitWorker {
    return this.#workers[n % WORKERS]!;
  }

  #nextChannel(): StreamId {
    return `7${(++this.#channels).toString(16).padStart(39, '0')}` as StreamId;
  }
}
