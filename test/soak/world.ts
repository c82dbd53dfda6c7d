import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startProxy, type Proxy } from '../helpers/proxy.js';
import { Player } from '../helpers/player.js';
import { until } from '../helpers/until.js';
import { startEngine, type SimulatedEngine } from '../simulator/engine.js';
import type { SessionRecord } from '../simulator/witness.js';

const PROBE = fileURLToPath(new URL('./probe.mjs', import.meta.url));
const BITRATE = 2_000_000;
const STREAMS = 6;
const WORKERS = 3;
const ENGINES = 2;
const REST_TIMEOUT_MS = 30_000;
/** One that has just been forked is killed at the end of the run, in order. */
const UNPLANNED = /^killing a worker that (?!is not needed any more)|^a worker failed$/;
/** ms between a kill and the start of a session that a request on the way makes. */
const ON_THE_WAY_MS = 500;

/** Everything of one run: engines, the proxy, the players of the moment. */
export class World {
  readonly proxy: Proxy;
  readonly engines: readonly SimulatedEngine[];
  readonly folder: string;
  #players: Player[] = [];
  /** What the engines complained about at rests. */
  readonly breaches: string[] = [];
  #killedAt: number[] = [];
  readonly counts = { joins: 0, refused: 0, kills: 0, faults: 0, closed: 0, orphans: 0 };

  private constructor(proxy: Proxy, engines: readonly SimulatedEngine[], folder: string) {
    this.proxy = proxy;
    this.engines = engines;
    this.folder = folder;
  }

  static async make(): Promise<World> {
    const folder = mkdtempSync(join(tmpdir(), 'soak-'));
    const engines = await Promise.all(
      Array.from({ length: ENGINES }, () =>
        startEngine({ source: 'stamped', bitrate: BITRATE, gop: 0.5, prebufferMs: 50 }),
      ),
    );
    const proxy = await startProxy({
      engines,
      workers: WORKERS,
      env: {
        NODE_OPTIONS: `--import=${PROBE}`,
        SOAK_PROBE_FOLDER: folder,
        // As scaled down as the other times: what has a life must end it within a round.
        PROXY_BUFFER_TTL: '5',
        PROXY_CLIENT_TTL: '4',
        PROXY_GATHER: '50',
      },
    });
    return new World(proxy, engines, folder);
  }

  get players(): readonly Player[] {
    return this.#players;
  }

  join(stream: number): void {
    this.counts.joins++;
    const id = String(stream % STREAMS).padStart(40, 'c');
    this.#players.push(new Player(this.proxy.media(id)));
  }

  leave(player: Player): void {
    this.counts.closed += player.closed ? 1 : 0;
    this.counts.refused += player.status !== null && player.status !== 200 ? 1 : 0;
    player.leave();
    this.#players = this.#players.filter((each) => each !== player);
  }

  /** Kills the process of the one slot that has no survivor, when there is one. */
  killWorker(survivors: ReadonlySet<number>): void {
    const pid = this.proxy.workers().find((each) => !survivors.has(each));
    if (pid === undefined) return;
    this.counts.kills++;
    this.#killedAt.push(Date.now());
    process.kill(pid, 'SIGKILL');
  }

  /** Processes that are not to die before the end. */
  survivors(): ReadonlySet<number> {
    return new Set([this.proxy.tree.pid, ...this.proxy.workers().slice(1)]);
  }

  /** The proxy's log, a line each. */
  log(): string {
    return this.proxy.tree.lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  }

  /** Why workers ended that nobody killed: none of that is in the plan. */
  unplannedEnds(): string[] {
    return this.proxy.tree.lines
      .map(({ message }) => String(message))
      .filter((message) => UNPLANNED.test(message));
  }

  /** Everybody leaves; resolves when nothing of any stream is left anywhere. */
  async rest(): Promise<void> {
    for (const player of this.#players) this.leave(player);
    for (const engine of this.engines) {
      engine.stall(false);
      engine.garbage(false);
    }
    await this.proxy.untilNoKeys(REST_TIMEOUT_MS);
    for (const engine of this.engines) await this.#balance(engine);
    this.#killedAt = [];
    await until('all workers are back', () => this.proxy.workers().length === WORKERS, 15_000);
  }

  /** Looks at an engine's books of this round and begins new ones: they would grow with the run. */
  async #balance(engine: SimulatedEngine): Promise<void> {
    await engine.untilClean(REST_TIMEOUT_MS).catch((error: unknown) => {
      const orphans = engine.witness.sessions.filter((session) => this.#isOrphan(session));
      if (engine.witness.faults().length === orphans.length) this.counts.orphans += orphans.length;
      else this.breaches.push(String(error));
    });
    engine.reset();
  }

  /** Known to nobody: its answer was on the way when its worker was killed (ARCHITECTURE.md, known limits). */
  #isOrphan({ how, startedAt }: SessionRecord): boolean {
    const unstopped = how === null || how === 'superseded';
    return unstopped && this.#killedAt.some((at) => Math.abs(at - startedAt) <= ON_THE_WAY_MS);
  }

  async end(): Promise<number | null> {
    for (const player of this.#players) player.leave();
    const code = await this.proxy.stop();
    await Promise.all(this.engines.map((engine) => engine.stop()));
    rmSync(this.folder, { recursive: true, force: true });
    return code;
  }
}
