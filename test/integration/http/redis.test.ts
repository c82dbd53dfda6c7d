import { expect } from 'chai';
import type { ClientView } from '../../../src/shared/inspect/client-view.js';
import type { StreamDetail, StreamView } from '../../../src/shared/inspect/stream-view.js';
import { requestKick, requestStop } from '../../../src/shared/inspect/requests.js';
import { API_KEY, fakeDeps, runApp, type RunningApp } from '../../helpers/http-app.js';
import { openRedisFixture, type RedisFixture } from '../../helpers/redis-fixture.js';
import {
  CLIENT,
  OTHER_CLIENT,
  OTHER_STREAM,
  seedClient,
  seedStream,
  STREAM,
  WORKER,
} from '../../helpers/seed-stream.js';

const headers = { Authorization: `Bearer ${API_KEY}` };

describe('the routes on a real Redis', () => {
  let fixture: RedisFixture;
  let app: RunningApp;

  beforeEach(async () => {
    fixture = await openRedisFixture();
    const { redis, keys } = fixture;
    app = await runApp(
      fakeDeps({
        redis,
        keys,
        stopStream: async (id) => (await requestStop(redis, keys, id, 'api')).found,
        kickClient: (id, client) => requestKick(redis, keys, id, { client, reason: 'api' }),
      }),
    );
    await seedStream(redis, keys);
    await seedClient(redis, keys);
  });
  afterEach(async () => {
    await app.close();
    await fixture.close();
  });

  const get = async <T>(path: string): Promise<T> =>
    (await (await fetch(app.url + path, { headers })).json()) as T;

  it('answer the operator: one stream, however many players', async () => {
    await seedClient(fixture.redis, fixture.keys, OTHER_CLIENT);
    const streams = await get<StreamView[]>('/streams?status=started');
    expect(streams.filter(({ key }) => key === STREAM)).to.have.lengthOf(1);
    expect(streams[0]).to.include({ clients: 2, owner: WORKER, status: 'started' });
    expect(await get('/streams?status=ended')).to.deep.equal([]);
  });

  it('show one stream with its ring, in any case of its key', async () => {
    const detail = await get<StreamDetail>(`/streams/${STREAM.toUpperCase()}`);
    expect(detail.ring).to.include({ head: 12, tail: 11 });
    expect((await fetch(`${app.url}/streams/${OTHER_STREAM}`)).status).to.equal(404);
  });

  it('show clients', async () => {
    const [client] = await get<ClientView[]>(`/streams/${STREAM}/clients`);
    expect(client).to.include({ id: CLIENT, ip_address: '192.0.2.1', bytes_sent: 1880 });
    const other = await fetch(`${app.url}/streams/${OTHER_STREAM}/clients`, { headers });
    expect(other.status).to.equal(404);
  });

  it('ask for the stop of a stream and the end of a client', async () => {
    const { redis, keys } = fixture;
    const names = keys.stream(STREAM);
    const remove = (path: string): Promise<Response> =>
      fetch(app.url + path, { method: 'DELETE', headers });
    expect((await remove(`/streams/${STREAM}/clients/${CLIENT}`)).status).to.equal(202);
    expect(await redis.get(names.clientStop(CLIENT))).to.equal('api');
    expect((await remove(`/streams/${STREAM}/clients/${OTHER_CLIENT}`)).status).to.equal(404);
    expect((await remove(`/streams/${STREAM}/clients/nobody`)).status).to.equal(404);
    expect((await remove(`/streams/${STREAM}`)).status).to.equal(202);
    expect(await redis.get(names.stopRequest)).to.equal('api');
    expect((await remove(`/streams/${OTHER_STREAM}`)).status).to.equal(404);
  });

  async function expectUnavailable(): Promise<void> {
    const begun = performance.now();
    const answers = await Promise.all([
      fetch(`${app.url}/streams`),
      fetch(`${app.url}/streams/${STREAM}`),
      fetch(`${app.url}/streams/${STREAM}/clients`, { headers }),
      fetch(`${app.url}/streams/${STREAM}`, { method: 'DELETE', headers }),
    ]);
    expect(performance.now() - begun).to.be.below(3_000);
    for (const answer of answers) {
      expect(answer.status).to.equal(503);
      expect(answer.headers.get('retry-after')).to.equal('2');
      expect(await answer.json()).to.have.nested.property('error.code', 'REDIS_UNAVAILABLE');
    }
  }

  it('answer 503 at once when Redis is dead', async () => {
    await fixture.server.kill();
    await expectUnavailable();
  });

  it('answer 503 and do not hang when Redis is frozen', async () => {
    process.kill(fixture.server.pid, 'SIGSTOP');
    await expectUnavailable();
  });
});
