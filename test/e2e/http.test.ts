import { readFileSync, statSync } from 'node:fs';
import { expect } from 'chai';
import { parse } from 'yaml';
import { API_KEY, setStage, type Stage } from '../helpers/stage.js';
import { until } from '../helpers/until.js';

const CHANNEL = '9090909090909090909090909090909090909090';
const DOCUMENT = new URL('../../src/worker/http/openapi.yaml', import.meta.url);

interface Operation {
  readonly operationId: string;
  readonly security?: readonly Record<string, unknown>[];
}

interface Route {
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
}

/** Every operation of the contract, its parameters filled in. */
function routes(): Route[] {
  const { paths } = parse(readFileSync(DOCUMENT, 'utf8')) as {
    paths: Record<string, Record<string, Operation>>;
  };
  return Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item)
      // Whether a playlist needs the key depends on what is asked for: its own tests know.
      .filter(([method]) => method !== 'parameters' && path !== '/playlist.m3u')
      .map(([method, operation]) => ({
        method: method.toUpperCase(),
        path: path
          .replace('/{key}', `/${CHANNEL}`)
          .replace('/clients/{id}', `/clients/${'0'.repeat(24)}`)
          .replace('{id}', 'nobody')
          .replace('{name}', 'nobody'),
        operation,
      })),
  );
}

/** Whether an operation needs the key always, where one is configured, or never. */
function guardOf({ security }: Operation): 'always' | 'configured' | 'open' {
  if (security === undefined) return 'open';
  return security.some((way) => Object.keys(way).length === 0) ? 'configured' : 'always';
}

async function statusOf(stage: Stage, { method, path }: Route, key?: string): Promise<number> {
  const headers = key === undefined ? {} : { Authorization: `Bearer ${key}` };
  const signal = AbortSignal.timeout(5_000);
  const answer = await fetch(stage.proxy.url + path, { method, headers, signal });
  // Some answers have no end.
  await answer.body?.cancel();
  return answer.status;
}

describe('The management routes, with a configured key', () => {
  let stage: Stage;
  let get: (path: string) => Promise<unknown>;

  before(async () => {
    stage = await setStage({ engines: [{ gop: 0.5 }] });
    get = async (path) => {
      const { status, body } = await stage.proxy.json(path, stage.bearer());
      expect(status, path).to.equal(200);
      return body;
    };
  });

  afterEach(() => stage.clear());
  after(() => stage.end());

  it('let nobody in without the right key where the contract says so', async () => {
    const guarded = routes().filter(({ operation }) => guardOf(operation) !== 'open');
    expect(guarded).to.have.length.greaterThan(8);
    for (const route of guarded) {
      const name = `${route.method} ${route.path}`;
      expect(await statusOf(stage, route), name).to.equal(401);
      expect(await statusOf(stage, route, 'a-wrong-key-0123456789'), name).to.equal(403);
      expect(await statusOf(stage, route, API_KEY), name).to.not.be.within(401, 403);
    }
  });

  it('leave media, health and the contract open', async () => {
    const open = routes().filter(({ operation }) => guardOf(operation) === 'open');
    for (const route of open) {
      const status = await statusOf(stage, route);
      expect(status, `${route.method} ${route.path}`).to.not.be.within(401, 403);
    }
    for (const path of ['/health/live', '/health/ready', '/openapi.yaml']) {
      expect((await fetch(stage.proxy.url + path)).status, path).to.equal(200);
    }
  });

  it('answer other paths with 404 and other methods with 405', async () => {
    expect((await stage.proxy.json('/nothing')).status).to.equal(404);
    const answer = await fetch(`${stage.proxy.url}/streams`, { method: 'PUT' });
    expect(answer.status).to.equal(405);
    expect(answer.headers.get('allow')).to.match(/GET/);
  });

  it('show a stream, its ring and its clients from every worker', async () => {
    const players = Array.from({ length: 4 }, () => stage.play(CHANNEL));
    await Promise.all(players.map((player) => player.untilBytes(1_200_000)));
    // Connections are dealt in turn: both workers answer.
    for (let i = 0; i < 4; i += 1) {
      const list = (await get('/streams?status=started')) as object[];
      expect(list).to.have.length(1);
      expect(list[0]).to.include({
        key: CHANNEL,
        key_type: 'id',
        status: 'started',
        container_id: 'e1',
        engine_host: stage.engine.host,
        engine_port: stage.engine.port,
        clients: 4,
        ended_at: null,
      });
      const { ring, stat_url } = (await get(`/streams/${CHANNEL}`)) as {
        ring: { head: number; tail: number; bytes: number; seconds: number };
        stat_url: string;
      };
      expect(ring.head).to.be.greaterThan(ring.tail);
      expect(ring.bytes).to.be.greaterThan(500_000);
      expect(ring.seconds).to.be.greaterThan(0);
      expect(stat_url).to.match(new RegExp(`^${stage.engine.url}/ace/stat/`));
      expect(await get(`/streams/${CHANNEL}/clients`)).to.have.length(4);
    }
    await until('the engine statistics are there', async () => {
      const [stream] = (await get('/streams')) as {
        peers: number | null;
        bitrate: number | null;
      }[];
      return stream?.peers !== null && (stream?.bitrate ?? 0) > 1_000_000;
    });
    await stage.clear();
    const [ended] = (await get('/streams?status=ended')) as object[];
    expect(ended).to.include({ key: CHANNEL, status: 'ended' });
  });

  it('disconnect one client and stop a stream, whichever worker serves them', async () => {
    for (let i = 0; i < 4; i += 1) {
      const [leaves, stays] = [stage.play(CHANNEL), stage.play(CHANNEL)];
      await Promise.all([leaves.untilBytes(50_000), stays.untilBytes(50_000)]);
      // Each asks another worker than the round before: an odd number of requests in between.
      const [client] = (await get(`/streams/${CHANNEL}/clients`)) as { id: string }[];
      const path = `/streams/${CHANNEL}/clients/${String(client?.id)}`;
      expect((await stage.manage('DELETE', path)).status).to.equal(202);
      await until('one is gone', () => leaves.closed !== stays.closed, 3_000);
      expect((await stage.manage('DELETE', `/streams/${CHANNEL}`)).status).to.equal(202);
      await Promise.all([leaves.untilClosed(), stays.untilClosed()]);
      expect([leaves.error, stays.error], 'FIN and not a reset').to.deep.equal([null, null]);
      await stage.proxy.untilNoKeys(2_000);
      if (i % 2 === 0) await get('/streams');
    }
    expect((await stage.manage('DELETE', `/streams/${CHANNEL}`)).status).to.equal(404);
  });

  it('add, drain and remove engines for all workers', async () => {
    const engine = await stage.invite('guest', {}, true);
    const again = { id: 'guest', host: engine.host, port: engine.port };
    expect((await stage.manage('POST', '/engines', again)).status).to.equal(200);
    expect((await stage.manage('POST', '/engines', { host: 'a b', port: 0 })).status).to.equal(400);
    expect((await stage.manage('POST', '/engines/guest/drain')).status).to.equal(200);
    const listed = (await get('/engines')) as { id: string }[];
    expect(listed.find(({ id }) => id === 'guest')).to.include({ draining: true, load: 0 });
    expect((await stage.manage('DELETE', '/engines/guest/drain')).status).to.equal(200);
    expect((await stage.manage('DELETE', '/engines/guest')).status).to.equal(200);
    expect((await stage.manage('DELETE', '/engines/guest')).status).to.equal(404);
    await stage.play(CHANNEL).untilBytes(50_000);
    expect(engine.witness.startRequests).to.deep.equal({});
  });

  it('add the metrics of all workers', async () => {
    const players = Array.from({ length: 6 }, () => stage.play(CHANNEL));
    await Promise.all(players.map((player) => player.untilBytes(50_000)));
    const value = async (name: string): Promise<number> => {
      const text = await (await fetch(`${stage.proxy.url}/metrics`, stage.bearer())).text();
      return Number(new RegExp(`^ace_proxy_${name} (\\S+)$`, 'm').exec(text)?.[1]);
    };
    await until('all clients are counted', async () => (await value('clients')) === 6, 30_000);
    expect(await value('workers\\{state="serving"\\}')).to.equal(2);
    expect(await value('metrics_missing_workers')).to.equal(0);
    expect(await value('ring_appended_chunks_total')).to.be.greaterThan(0);
    // A follower reads what the owner wrote: both workers are in the sum.
    expect(await value('ring_read_chunks_total')).to.be.greaterThan(0);
    expect(await value('engine_starts_total')).to.be.greaterThan(0);
    await until(
      'the bytes of players that still watch are counted',
      async () => (await value('client_sent_bytes_total')) >= 6 * 50_000,
      30_000,
    );
    const stops = await value('engine_stops_total');
    await stage.clear();
    expect(await value('engine_stops_total')).to.equal(stops + 1);
  });
});

describe('The management routes, without a configured key', () => {
  let stage: Stage;

  before(async () => {
    stage = await setStage({ configureKey: false });
  });

  after(() => stage.end());

  it('open the listings and need the key of the file for everything else', async () => {
    for (const route of routes()) {
      const name = `${route.method} ${route.path}`;
      const status = await statusOf(stage, route);
      if (guardOf(route.operation) === 'always') expect(status, name).to.equal(401);
      else expect(status, name).to.not.be.within(401, 403);
    }
    const [line] = stage.proxy.tree.find('no PROXY_API_KEY is set');
    const path = String(line?.['path']);
    expect(statSync(path).mode & 0o077, 'what others may do with the file').to.equal(0);
    const key = readFileSync(path, 'utf8').trim();
    const remove: Route = {
      method: 'DELETE',
      path: `/streams/${CHANNEL}`,
      operation: { operationId: '' },
    };
    expect(await statusOf(stage, remove, key)).to.equal(404);
    expect(JSON.stringify(stage.proxy.tree.lines)).to.not.include(key);
  });
});
