import { expect } from 'chai';
import { Router } from 'express';
import { AppError, type ErrorBody } from '../../../src/shared/errors.js';
import type { LogFields, Logger } from '../../../src/shared/log/logger.js';
import { silentLogger } from '../../helpers/silent-logger.js';
import type { HttpDeps } from '../../../src/worker/http/deps.js';
import { API_KEY, fakeDeps, runApp, type RunningApp } from '../../helpers/http-app.js';

const KEY = 'a'.repeat(40);
const CLIENT = '0'.repeat(24);
const AUTHORIZED = { Authorization: `Bearer ${API_KEY}` };

const MANAGEMENT = [
  ['GET', `/streams/${KEY}/clients`],
  ['DELETE', `/streams/${KEY}`],
  ['DELETE', `/streams/${KEY}/clients/${CLIENT}`],
  ['POST', '/engines'],
  ['DELETE', '/engines/engine-1'],
  ['POST', '/engines/engine-1/drain'],
  ['DELETE', '/engines/engine-1/drain'],
] as const;
const LISTINGS = ['/streams', `/streams/${KEY}`, '/engines', '/metrics'];
const OPEN = ['/health/live', '/health/ready', '/openapi.yaml', '/ace/getstream'];

const running: RunningApp[] = [];
afterEach(async () => {
  for (const app of running.splice(0)) await app.close();
});

async function start(overrides: Partial<HttpDeps> = {}): Promise<string> {
  const app = await runApp(fakeDeps(overrides));
  running.push(app);
  return app.url;
}

async function errorOf(answer: Response): Promise<ErrorBody> {
  expect(answer.headers.get('content-type')).to.match(/^application\/json/);
  return ((await answer.json()) as { error: ErrorBody }).error;
}

describe('the key', () => {
  it('is asked for by every route that changes something or shows addresses', async () => {
    const url = await start();
    for (const [method, path] of MANAGEMENT) {
      const without = await fetch(url + path, { method });
      expect(without.status, `${method} ${path}`).to.equal(401);
      expect(without.headers.get('www-authenticate')).to.equal('Bearer');
      expect((await errorOf(without)).code).to.equal('UNAUTHORIZED');
      const headers = { Authorization: 'Bearer the-wrong-key' };
      const wrong = await fetch(url + path, { method, headers });
      expect(wrong.status, `${method} ${path}`).to.equal(403);
      expect((await errorOf(wrong)).code).to.equal('FORBIDDEN');
    }
  });

  it('lets the right one through, and nothing that only looks like it', async () => {
    const url = await start();
    const drain = (authorization: string): Promise<Response> =>
      fetch(`${url}/engines/engine-1/drain`, {
        method: 'POST',
        headers: { Authorization: authorization },
      });
    expect((await drain(`Bearer ${API_KEY}`)).status).to.equal(200);
    expect((await drain(`bearer  ${API_KEY}`)).status).to.equal(200);
    for (const [text, status] of [
      [API_KEY, 401],
      [`Basic ${API_KEY}`, 401],
      ['Bearer', 401],
      [`Bearer ${API_KEY} x`, 401],
      [`Bearer ${API_KEY}x`, 403],
      [`Bearer ${API_KEY.slice(1)}`, 403],
    ] as const) {
      expect((await drain(text)).status, text).to.equal(status);
    }
  });

  it('is asked for by listings only when the operator has set one', async () => {
    const open = await start();
    const closed = await start({ apiKeyConfigured: true });
    for (const path of LISTINGS) {
      expect((await fetch(open + path)).status, path).to.not.be.oneOf([401, 403]);
      expect((await fetch(closed + path)).status, path).to.equal(401);
      const status = (await fetch(closed + path, { headers: AUTHORIZED })).status;
      expect(status, path).to.not.be.oneOf([401, 403]);
    }
  });

  it('is never asked for by media, probes and the API description', async () => {
    const url = await start({ apiKeyConfigured: true });
    for (const path of OPEN) expect((await fetch(url + path)).status, path).to.equal(200);
  });
});

describe('errors', () => {
  it('say which methods a path takes', async () => {
    const url = await start();
    for (const [method, path, allow] of [
      ['POST', '/streams', 'GET, HEAD'],
      ['PUT', `/streams/${KEY}`, 'GET, HEAD, DELETE'],
      ['DELETE', '/engines', 'GET, HEAD, POST'],
      ['GET', '/engines/engine-1', 'DELETE'],
      ['POST', '/ace/getstream', 'GET, HEAD'],
    ] as const) {
      const answer = await fetch(url + path, { method });
      expect(answer.status, `${method} ${path}`).to.equal(405);
      expect(answer.headers.get('allow')).to.equal(allow);
      expect((await errorOf(answer)).code).to.equal('METHOD_NOT_ALLOWED');
    }
    const options = await fetch(`${url}/streams`, { method: 'OPTIONS' });
    expect(options.status).to.equal(204);
    expect(options.headers.get('allow')).to.equal('GET, HEAD');
  });

  it('answer 404 for paths there are not', async () => {
    const url = await start();
    for (const path of ['/', '/stream', '/ace', '/streams/a/b/c/d', '/health']) {
      const answer = await fetch(url + path);
      expect(answer.status, path).to.equal(404);
      expect((await errorOf(answer)).code).to.equal('NOT_FOUND');
    }
  });

  it('answer 400 to what cannot be decoded or is not an id', async () => {
    const url = await start();
    const malformed = await fetch(`${url}/streams/%E0%A4%A`);
    expect(malformed.status).to.equal(400);
    expect(await errorOf(malformed)).to.deep.include({
      code: 'BAD_REQUEST',
      reasons: ['malformed.url'],
    });
    const id = await fetch(`${url}/streams/xyz`);
    expect(id.status).to.equal(400);
    expect((await errorOf(id)).code).to.equal('BAD_ID');
    const status = await fetch(`${url}/streams?status=running`);
    expect(status.status).to.equal(400);
    expect((await errorOf(status)).reasons).to.deep.equal(['status is started or ended']);
    expect((await fetch(`${url}/streams?status=started&status=ended`)).status).to.equal(400);
  });

  it('carry Retry-After where waiting helps, and only there', async () => {
    const mediaRouter = Router();
    mediaRouter.get('/ace/getstream', (request) => {
      throw new AppError(request.query['wait'] ? 'NO_ENGINE' : 'CONTENT_NOT_FOUND', {
        reason: 'told by the engine',
      });
    });
    const url = await start({ mediaRouter });
    const wait = await fetch(`${url}/ace/getstream?wait=1`);
    expect(wait.status).to.equal(503);
    expect(wait.headers.get('retry-after')).to.equal('5');
    const gone = await fetch(`${url}/ace/getstream`);
    expect(gone.status).to.equal(404);
    expect(gone.headers.get('retry-after')).to.be.null;
    expect((await errorOf(gone)).reason).to.equal('told by the engine');
  });

  it('log a defect and tell nothing of it', async () => {
    const logged: LogFields[] = [];
    const logger: Logger = {
      ...silentLogger,
      error: (_message, fields) => logged.push(fields ?? {}),
    };
    const defect = new TypeError('secret detail');
    const mediaRouter = Router();
    mediaRouter.get('/ace/getstream', () => Promise.reject(defect));
    const url = await start({ logger, mediaRouter });
    const answer = await fetch(`${url}/ace/getstream`);
    expect(answer.status).to.equal(500);
    const body = await answer.text();
    expect(body).to.include('INTERNAL').and.not.include('secret');
    expect(logged).to.deep.equal([{ method: 'GET', path: '/ace/getstream', error: defect }]);
  });

  it('destroy the connection when the answer has begun', async () => {
    const mediaRouter = Router();
    mediaRouter.get('/ace/getstream', (_request, response) => {
      response.writeHead(200, { 'Content-Type': 'video/mp2t' });
      response.write(Buffer.alloc(188));
      return Promise.reject(new Error('in mid-stream'));
    });
    const url = await start({ mediaRouter });
    const failure = await fetch(`${url}/ace/getstream`)
      .then((answer) => answer.arrayBuffer())
      .then(
        () => null,
        (error: unknown) => error,
      );
    expect(failure).to.be.instanceOf(Error);
  });
});

describe('engines', () => {
  it('are registered from JSON, and only from valid JSON of a sane size', async () => {
    const registered: unknown[] = [];
    const base = fakeDeps().enginePool;
    const register = (engine: { id: string }): Promise<boolean> => {
      registered.push(engine);
      return Promise.resolve(engine.id !== 'known');
    };
    const url = await start({ enginePool: { ...base, register } });
    const post = (body: string, type = 'application/json'): Promise<Response> =>
      fetch(`${url}/engines`, {
        method: 'POST',
        headers: { ...AUTHORIZED, 'Content-Type': type },
        body,
      });
    const created = await post('{"host":"127.0.0.1","port":6878}');
    expect(created.status).to.equal(201);
    expect(created.headers.get('location')).to.equal('/engines/127.0.0.1%3A6878');
    const engine = {
      id: '127.0.0.1:6878',
      host: '127.0.0.1',
      port: 6878,
      forwarded: false,
      max: null,
    };
    expect(await created.json()).to.deep.equal(engine);
    expect(registered).to.deep.equal([engine]);
    expect((await post('{"host":"a","port":1,"id":"known"}')).status).to.equal(200);
    registered.length = 0;
    const refused = [
      await post('{'),
      await post('[]'),
      await post(''),
      await post('{"host":"a","port":1}', 'text/plain'),
      await post(JSON.stringify({ host: 'a', port: 1, id: 'x'.repeat(20_000) })),
      await post('{"host":"http://a","port":1}'),
    ];
    for (const answer of refused) {
      expect(answer.status).to.equal(400);
      const error = await errorOf(answer);
      expect(error.code).to.equal('BAD_REQUEST');
      expect(error['reasons']).to.be.an('array').that.is.not.empty;
    }
    expect(registered).to.be.empty;
  });

  it('are drained, brought back and removed by their id', async () => {
    const url = await start();
    const ask = (method: string, path: string): Promise<Response> =>
      fetch(`${url}/engines/${path}`, { method, headers: AUTHORIZED });
    expect(await (await ask('POST', 'engine-1/drain')).json()).to.deep.equal({
      id: 'engine-1',
      draining: true,
    });
    expect(await (await ask('DELETE', 'engine-1/drain')).json()).to.deep.equal({
      id: 'engine-1',
      draining: false,
    });
    expect((await ask('DELETE', 'engine-1')).status).to.equal(200);
    for (const [method, path] of [
      ['POST', 'nobody/drain'],
      ['DELETE', 'nobody/drain'],
      ['DELETE', 'nobody'],
    ] as const) {
      const answer = await ask(method, path);
      expect(answer.status).to.equal(404);
      expect((await errorOf(answer)).code).to.equal('ENGINE_NOT_FOUND');
    }
  });
});

describe('probes and metrics', () => {
  it('say why no player can be served', async () => {
    const url = await start({ readiness: () => ({ ready: false, reasons: ['Redis is away'] }) });
    const answer = await fetch(`${url}/health/ready`);
    expect(answer.status).to.equal(503);
    expect(await answer.json()).to.deep.equal({ status: 'not ready', reasons: ['Redis is away'] });
    expect((await fetch(`${url}/health/live`)).status).to.equal(200);
  });

  it('show all workers on one page', async () => {
    const answer = await fetch(`${await start()}/metrics`);
    expect(answer.headers.get('content-type')).to.match(/^text\/plain; version=0\.0\.4/);
    const page = await answer.text();
    expect(page).to.include('\nace_proxy_metrics_missing_workers 1\n');
    expect(page).to.include('\nace_proxy_clients 0\n');
  });

  it('show this worker when the primary does not answer', async () => {
    const url = await start({
      collectMetrics: () => Promise.reject(new Error('the channel closed')),
    });
    const answer = await fetch(`${url}/metrics`);
    expect(answer.status).to.equal(200);
    const page = await answer.text();
    expect(page).to.include('\nace_proxy_clients 0\n');
    expect(page).to.include('\nace_proxy_metrics_missing_workers 1\n');
  });

  it('answer what every response needs and nothing of the software', async () => {
    const answer = await fetch(`${await start()}/health/live`);
    expect(answer.headers.get('cache-control')).to.equal('no-store');
    expect(answer.headers.get('x-content-type-options')).to.equal('nosniff');
    expect(answer.headers.get('x-powered-by')).to.be.null;
    expect(answer.headers.get('etag')).to.be.null;
  });
});
