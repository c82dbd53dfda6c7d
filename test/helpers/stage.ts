import { expect } from 'chai';
import { startEngine, type EngineOptions, type SimulatedEngine } from '../simulator/engine.js';
import { Player, type PlayerOptions } from './player.js';
import { startProxy, type Proxy, type ProxyOptions } from './proxy.js';

/** Bearer key of every proxy that a stage starts. */
export const API_KEY = 'a-key-for-the-tests-0123456789abcdef';

export interface StageOptions extends Omit<ProxyOptions, 'engines'> {
  /** Engines to start and to configure. */
  readonly engines?: readonly EngineOptions[];
  /** False: the primary makes the key itself. */
  readonly configureKey?: boolean;
}

/** A proxy with its engines and players, ended together by `end`, which proves that nothing is left. */
export class Stage {
  readonly proxy: Proxy;
  readonly engines: readonly SimulatedEngine[];
  readonly #players: Player[] = [];
  readonly #guests: SimulatedEngine[] = [];

  constructor(proxy: Proxy, engines: readonly SimulatedEngine[]) {
    this.proxy = proxy;
    this.engines = engines;
  }

  get engine(): SimulatedEngine {
    const [first] = this.engines;
    if (first === undefined) throw new Error('this stage has no engine of its own');
    return first;
  }

  /** A player of this content, with `id=` unless another query is given. */
  play(content: string, options: PlayerOptions = {}): Player {
    const url = content.includes('=')
      ? `${this.proxy.url}/ace/getstream?${content}`
      : this.proxy.media(content);
    const player = new Player(url, options);
    this.#players.push(player);
    return player;
  }

  /** Starts an engine and registers it over HTTP; `dismiss` takes it away again. */
  async invite(id: string, options: EngineOptions, forwarded = false): Promise<SimulatedEngine> {
    const engine = await startEngine(options);
    this.#guests.push(engine);
    const { host, port } = engine;
    const { status } = await this.manage('POST', '/engines', { id, host, port, forwarded });
    expect(status, 'status of the registration').to.equal(201);
    return engine;
  }

  /** What a request with the key needs. */
  bearer(): RequestInit {
    return { headers: { Authorization: `Bearer ${API_KEY}` } };
  }

  /** A management request with the key. */
  async manage(
    method: string,
    path: string,
    body?: object,
  ): Promise<{ status: number; body: unknown }> {
    return this.proxy.json(path, {
      method,
      headers: { Authorization: `Bearer ${API_KEY}`, 'Content-Type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  }

  /** All players leave; resolves when no key of any stream is left and the engines are clean. */
  async clear(): Promise<void> {
    for (const player of this.#players.splice(0)) player.leave();
    await this.proxy.untilNoKeys();
    for (const engine of [...this.engines, ...this.#guests]) await engine.untilClean();
  }

  /** Takes the engines away that were invited. */
  async dismiss(): Promise<void> {
    const list = (await this.proxy.json('/engines', this.bearer())).body as { id: string }[];
    for (const { id } of list) await this.manage('DELETE', `/engines/${encodeURIComponent(id)}`);
    for (const engine of this.#guests.splice(0)) await engine.stop();
  }

  /** Ends everything: exit code 0, no process, no session, no open socket. */
  async end(): Promise<void> {
    for (const player of this.#players.splice(0)) player.leave();
    const code = await this.proxy.stop();
    const engines = [...this.engines, ...this.#guests];
    try {
      expect(code, 'exit code').to.equal(0);
      expect(this.proxy.tree.survivors(), 'processes that survive').to.deep.equal([]);
      for (const engine of engines) await engine.untilClean();
    } finally {
      for (const engine of engines) await engine.stop();
    }
  }
}

/** Starts the engines and then the proxy on them. */
export async function setStage(options: StageOptions = {}): Promise<Stage> {
  const { engines = [{}], configureKey = true, env, ...rest } = options;
  const started: SimulatedEngine[] = [];
  try {
    for (const each of engines) started.push(await startEngine(each));
    const proxy = await startProxy({
      ...rest,
      engines: started,
      env: { ...(configureKey && { PROXY_API_KEY: API_KEY }), ...env },
    });
    return new Stage(proxy, started);
  } catch (error) {
    for (const engine of started) await engine.stop();
    throw error;
  }
}
