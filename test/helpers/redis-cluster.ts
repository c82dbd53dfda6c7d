import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort, startRedis, type TestRedis } from './redis-server.js';
import { until } from './until.js';

interface Node {
  readonly server: TestRedis;
  readonly busPort: number;
  readonly look: Redis;
  readonly id: string;
}

/** Three masters with a third of the slots each, and a replica of one of them. */
export class TestCluster {
  readonly #nodes: readonly Node[];
  readonly #directory: string;

  constructor(nodes: readonly Node[], directory: string) {
    this.#nodes = nodes;
    this.#directory = directory;
  }

  /** As `REDIS_CLUSTER` wants them: not all, since they name each other. */
  get addresses(): string {
    const [one, other] = this.#nodes;
    return [one, other].map((node) => `127.0.0.1:${String(node?.server.port)}`).join(',');
  }

  /** Names that match, of every node that lives, each once. */
  async keys(pattern: string): Promise<string[]> {
    const found = await Promise.all(
      this.#nodes.map(({ look }) => look.keys(pattern).catch(() => [])),
    );
    return [...new Set(found.flat())];
  }

  /** How many masters hold a key that matches. */
  async spread(pattern: string): Promise<number> {
    const found = await Promise.all(this.masters.map(({ look }) => look.keys(pattern)));
    return found.filter((names) => names.length > 0).length;
  }

  /** The master that serves the slot of this key. */
  async masterOf(key: string): Promise<TestRedis> {
    const { look } = this.#one();
    const slot = Number(await look.call('CLUSTER', 'KEYSLOT', key));
    const at = this.masters[Math.floor((slot * 3) / SLOTS)];
    if (at === undefined) throw new Error(`nobody serves slot ${String(slot)}`);
    return at.server;
  }

  /** Makes the fourth node a replica of the one that serves this key, and waits until it is in step. */
  async replicate(key: string): Promise<TestRedis> {
    const master = await this.masterOf(key);
    const of = this.#nodes.find(({ server }) => server === master);
    const replica = this.#nodes.at(-1);
    if (of === undefined || replica === undefined) throw new Error('no such nodes');
    await replica.look.call('CLUSTER', 'REPLICATE', of.id);
    await until('the replica is in step', async () =>
      (await replica.look.info('replication')).includes('master_link_status:up'),
    );
    return replica.server;
  }

  /** As the first node sees it that lives. */
  async state(): Promise<string> {
    const living = this.#nodes.find(({ look }) => look.status === 'ready');
    return living === undefined ? '' : living.look.cluster('INFO');
  }

  async stop(): Promise<void> {
    for (const { look } of this.#nodes) look.disconnect();
    await Promise.all(this.#nodes.map(({ server }) => server.kill()));
    await rm(this.#directory, { recursive: true });
  }

  get masters(): readonly Node[] {
    return this.#nodes.slice(0, MASTERS);
  }

  #one(): Node {
    const [node] = this.#nodes;
    if (node === undefined) throw new Error('no nodes');
    return node;
  }
}

const SLOTS = 16_384;
const MASTERS = 3;
/** ms; a node counts as dead after this. */
const NODE_TIMEOUT = '1000';

export async function startCluster(): Promise<TestCluster> {
  const directory = await mkdtemp(join(tmpdir(), 'redis-cluster-'));
  const nodes = await Promise.all(Array.from({ length: MASTERS + 1 }, () => startNode(directory)));
  const cluster = new TestCluster(nodes, directory);
  for (const [at, { look }] of cluster.masters.entries()) {
    const first = Math.ceil((at * SLOTS) / MASTERS);
    const last = Math.ceil(((at + 1) * SLOTS) / MASTERS) - 1;
    await look.call('CLUSTER', 'ADDSLOTSRANGE', first, last);
  }
  for (const { look } of nodes) {
    for (const { server, busPort } of nodes) {
      await look.call('CLUSTER', 'MEET', '127.0.0.1', server.port, busPort);
    }
  }
  await until(
    'the nodes know each other',
    async () => {
      const infos = await Promise.all(nodes.map(({ look }) => look.cluster('INFO')));
      return infos.every(
        (info) =>
          info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${nodes.length}`),
      );
    },
    10_000,
  );
  return cluster;
}

async function startNode(directory: string): Promise<Node> {
  const port = await freePort();
  const busPort = await freePort();
  const server = await startRedis({
    port,
    args: [
      ...['--cluster-enabled', 'yes', '--cluster-node-timeout', NODE_TIMEOUT],
      ...['--cluster-port', String(busPort), '--dir', directory],
      ...['--cluster-config-file', join(directory, `nodes-${String(port)}.conf`)],
    ],
  });
  const look = new Redis(port, { retryStrategy: () => 100 });
  look.on('error', () => undefined);
  return { server, busPort, look, id: String(await look.call('CLUSTER', 'MYID')) };
}
