import { setTimeout as delay } from 'node:timers/promises';
import { Witness } from '../simulator/witness.js';
import { startEngine, type SimulatedEngine } from '../simulator/engine.js';
import { Player } from '../helpers/player.js';
import { startProxy, type Proxy } from '../helpers/proxy.js';
import { startRedis, type TestRedis } from '../helpers/redis-server.js';
import { until } from '../helpers/until.js';
import { openStepRelay, type StepRelay, type Verdict } from './step-relay.js';

/** What became of one start whose owner died in the middle of it. */
export interface CrashResult {
  /** `before acquireOwner`, `after engine /ace/getstream`. */
  readonly step: string;
  /** ms from the death until the player that waited had media: its request was asked again. */
  readonly waitedMs: number;
  /** ms until a player that came right after the death had media. */
  readonly nextMs: number;
  /** What is wrong, or left behind after both have left; empty when all is well. */
  readonly faults: readonly string[];
}

/** What became of one start whose connection to Redis was cut in the middle of it. */
export interface CutResult {
  /** `before acquireOwner`. */
  readonly step: string;
  /** ms from the cut until the player had media. */
  readonly waitedMs: number;
  readonly faults: readonly string[];
}

/** A step as the relay and the engine count them: commands of Redis and requests of the engine. */
type Step = { readonly name: string; readonly pid: number | null };

/** ms; a lock that nobody could free has to run out: `PROXY_OWNER_LOCK_TTL` of the tests. */
const LOCK_MS = 2_000;
/** ms for what follows the lock: a start, on a busy machine. */
const START_MS = 2_500;
/** Restarts of workers slow down when many die in a row. */
const CRASHES_PER_TREE = 5;

/**
 * A proxy whose workers can be killed at the n-th step of a start: every command that they send to
 * Redis about the channel, and every request to the engine.
 */
export class CrashLab {
  readonly #content: string;
  readonly #redis: TestRedis;
  readonly #engine: SimulatedEngine;
  readonly #relay: StepRelay;
  #proxy: Proxy | null = null;
  #crashes = 0;
  #onStep: (step: Step) => Verdict = () => 'pass';

  private constructor(content: string, parts: [TestRedis, SimulatedEngine, StepRelay]) {
    this.#content = content;
    [this.#redis, this.#engine, this.#relay] = parts;
    this.#relay.onStep = (step) => this.#onStep(step);
    this.#watchEngine();
  }

  static async open(content = 'abad1deaabad1deaabad1deaabad1deaabad1dea'): Promise<CrashLab> {
    const redis = await startRedis();
    const engine = await startEngine({ prebufferMs: 50, gop: 0.2, startDelayMs: 20 });
    return new CrashLab(content, [redis, engine, await openStepRelay(redis.port, content)]);
  }

  /** Names of all steps of a start without a crash, in their order. */
  async steps(): Promise<string[]> {
    const proxy = await this.#tree();
    const names: string[] = [];
    let over = false;
    this.#onStep = ({ name }) => {
      if (!over) names.push(name);
      return 'pass';
    };
    const player = new Player(proxy.media(this.#content));
    await player.untilBytes(1, 8_000);
    over = true;
    player.leave();
    await this.#untilAtRest(proxy);
    return names;
  }

  /** Kills the worker at its n-th step of a start (from 0), before it is taken or after. */
  async crash(n: number, when: 'before' | 'after'): Promise<CrashResult> {
    const proxy = await this.#tree();
    this.#crashes++;
    let victim: number | null = null;
    let step = '(no such step)';
    let count = 0;
    let died = 0;
    const kill = (pid: number): void => {
      died = Date.now();
      process.kill(pid, 'SIGKILL');
    };
    this.#onStep = ({ name, pid }) => {
      victim ??= pid;
      if (died > 0 || step !== '(no such step)') return pid === victim ? 'lost' : 'pass';
      if (victim === null || (pid !== null && pid !== victim) || count++ !== n) return 'pass';
      step = `${when} ${name}`;
      const dies = victim;
      if (when === 'before') kill(dies);
      else setTimeout(() => kill(dies), 15);
      return when === 'before' ? 'lost' : 'answer lost';
    };
    const players = [new Player(proxy.media(this.#content), { record: true })];
    const faults: string[] = [];
    const times: number[] = [];
    try {
      await until('the crash', () => died > 0, 8_000);
      players.push(new Player(proxy.media(this.#content), { record: true }));
      for (const player of players) {
        await player
          .untilBytes(188, LOCK_MS + START_MS)
          .catch((error: unknown) => faults.push(told(error, player)));
        times.push(Date.now() - died);
      }
    } catch (error) {
      faults.push(error instanceof Error ? error.message : String(error));
    } finally {
      for (const player of players) player.leave();
      this.#onStep = () => 'pass';
    }
    faults.push(...(await this.#untilAtRest(proxy)));
    const [waitedMs = -1, nextMs = -1] = times;
    return { step, waitedMs, nextMs, faults };
  }

  /** Cuts the connection at the n-th command of a start (from 0), before Redis has run it or after. */
  async cut(n: number, when: 'before' | 'after'): Promise<CutResult> {
    const proxy = await this.#tree();
    let step = '(no such step)';
    let count = 0;
    let cutAt = 0;
    this.#onStep = ({ name, pid }) => {
      if (pid === null || cutAt > 0 || count++ !== n) return 'pass';
      step = `${when} ${name}`;
      cutAt = Date.now();
      return when === 'before' ? 'cut' : 'cut after';
    };
    const player = new Player(proxy.media(this.#content), { record: true });
    const faults: string[] = [];
    try {
      await until('the cut', () => cutAt > 0, 8_000);
      await player.untilBytes(188, LOCK_MS + START_MS);
    } catch (error) {
      faults.push(told(error, player));
    }
    const waitedMs = Date.now() - cutAt;
    player.leave();
    this.#onStep = () => 'pass';
    faults.push(...(await this.#untilAtRest(proxy)));
    return { step, waitedMs, faults };
  }

  async close(): Promise<void> {
    await this.#proxy?.stop();
    this.#relay.close();
    await this.#redis.stop();
    await this.#engine.stop();
  }

  /** A proxy with two workers that serve. */
  async #tree(): Promise<Proxy> {
    if (this.#crashes % CRASHES_PER_TREE === 0 && this.#crashes > 0) {
      await this.#proxy?.stop();
      this.#proxy = null;
      this.#crashes = 0;
    }
    this.#proxy ??= await startProxy({
      engines: [this.#engine],
      redis: { ...this.#redis, url: this.#relay.url },
      // What a worker has registered in its last moment has to go, too.
      env: { PROXY_CLIENT_TTL: '4' },
    });
    const proxy = this.#proxy;
    const serves = (): number => proxy.tree.find('a worker serves').length;
    await until('both workers serve', () => serves() >= 2 + this.#crashes, 12_000);
    return proxy;
  }

  #watchEngine(): void {
    const { witness } = this.#engine;
    witness.request = (head, address) => {
      Witness.prototype.request.call(witness, head, address);
      const path = head.path.split('/').slice(0, 3).join('/');
      // The keeper's look at the engine is no step of a start.
      if (path.startsWith('/webui')) return;
      this.#onStep({ name: `engine ${path}`, pid: null });
    };
  }

  /** What is left of the stream when it should be over. */
  async #untilAtRest(proxy: Proxy): Promise<string[]> {
    const { look } = proxy;
    const left = async (): Promise<string[]> => {
      const live = this.#engine.witness.sessions.filter(({ stoppedAt }) => stoppedAt === null);
      const slots = await look.hlen('ace_proxy:engines:reservations');
      const keys = await proxy.keys();
      return [
        ...keys.map((key) => `key ${key} is left`),
        ...live.map(({ ordinal }) => `session ${String(ordinal)} is left`),
        ...(slots > 0 ? [`${String(slots)} slots are left`] : []),
        ...(this.#engine.witness.openSockets > 0 ? ['a connection to the engine is left'] : []),
      ];
    };
    let found: string[] = [];
    for (let tries = 0; tries < 120; tries++) {
      found = await left();
      if (found.length === 0) return [];
      await delay(50);
    }
    return found;
  }
}

function told(error: unknown, player: Player): string {
  const answer = player.status === 200 ? '' : ` ${player.body().toString('latin1')}`;
  return (error instanceof Error ? error.message : String(error)) + answer;
}
