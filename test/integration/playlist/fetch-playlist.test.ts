import type { LookupAddress } from 'node:dns';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { AppError } from '../../../src/shared/errors.js';
import { openHttp } from '../../../src/worker/engine/http-door.js';
import {
  makePlaylistFetch,
  type FetchInputs,
} from '../../../src/worker/playlist/fetch-playlist.js';
import { until } from '../../helpers/until.js';

const LIST = `#EXTM3U\r\n#EXTINF:-1,\xe9\r\nacestream://${'a'.repeat(40)}\r\n`;
const PUBLIC = '93.184.215.14';
const ALSO_PUBLIC = '2606:2800:21f:cb07:6820:80da:af6b:8b2c';

describe('makePlaylistFetch', () => {
  let server: Server;
  let port: string;
  let sockets: number;
  let answer: RequestListener;
  let asked: string[];
  beforeEach(async () => {
    sockets = 0;
    asked = [];
    answer = (_request, response) => response.end(Buffer.from(LIST, 'latin1'));
    server = createServer((request, response) => {
      asked.push(`${request.headers.host ?? ''}${request.url ?? ''}`);
      answer(request, response);
    });
    server.on('connection', (socket) => {
      sockets += 1;
      socket.on('close', () => (sockets -= 1));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    port = String((server.address() as AddressInfo).port);
  });
  afterEach(async () => {
    await until('no socket is open', () => sockets === 0);
    server.close();
    await once(server, 'close');
  });

  const stub =
    (names: Readonly<Record<string, readonly string[]>>) =>
    (host: string): Promise<LookupAddress[]> => {
      const found = names[host];
      if (found === undefined) {
        const error = new Error(`getaddrinfo ENOTFOUND ${host}`);
        return Promise.reject(Object.assign(error, { code: 'ENOTFOUND', syscall: 'getaddrinfo' }));
      }
      return Promise.resolve(
        found.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      );
    };
  /** The public internet, as far as these tests go: every address of it is our server. */
  const internet = (connected: (string | undefined)[]): typeof openHttp => {
    return (request) => {
      connected.push(request.address?.address);
      return openHttp({ ...request, address: { address: '127.0.0.1', family: 4 } });
    };
  };
  const errorOf = async (inputs: FetchInputs, url: string): Promise<AppError> => {
    const thrown = await makePlaylistFetch(inputs)(url).then(
      () => null,
      (error: unknown) => error,
    );
    expect(thrown, url).to.be.instanceOf(AppError);
    return thrown as AppError;
  };
  const reasonOf = async (inputs: FetchInputs, url: string): Promise<unknown> => {
    const error = await errorOf(inputs, url);
    expect(error.code).to.equal('PLAYLIST_FETCH_FAILED');
    return error.details['reason'];
  };

  it('brings the bytes of a playlist from anywhere when that is allowed', async () => {
    const fetch = makePlaylistFetch({ scope: 'any' });
    const list = await fetch(`http://127.0.0.1:${port}/list.m3u?a=b`);
    expect(list.toString('latin1')).to.equal(LIST);
    expect(asked).to.deep.equal([`127.0.0.1:${port}/list.m3u?a=b`]);
  });

  it('brings one from the public internet, from the address that was looked at', async () => {
    const connected: string[] = [];
    let lookups = 0;
    const names = stub({ 'lists.test': [PUBLIC, ALSO_PUBLIC] });
    const fetch = makePlaylistFetch({
      scope: 'public',
      open: internet(connected),
      resolve: (host) => {
        lookups += 1;
        return names(host);
      },
    });
    expect((await fetch(`http://lists.test:${port}/`)).toString('latin1')).to.equal(LIST);
    expect([lookups, connected]).to.deep.equal([1, [PUBLIC]]);
    expect(asked).to.deep.equal([`lists.test:${port}/`]);
  });

  it('connects to no other address than that, whatever the name stands for by then', async () => {
    const resolve = stub({ 'lists.test': ['127.0.0.1'] });
    const fetch = makePlaylistFetch({ scope: 'any', resolve });
    // `lists.test` cannot be resolved by the system: only the given address leads to the server.
    expect((await fetch(`http://lists.test:${port}/`)).toString('latin1')).to.equal(LIST);
  });

  it('refuses every address that is not on the public internet, and does not connect', async () => {
    const connected: string[] = [];
    const inputs = { scope: 'public', open: internet(connected) } as const;
    for (const host of [
      ...['127.0.0.1', '127.1', '0x7f.1', '2130706433', '0', '10.0.0.1', '100.64.0.1'],
      ...['169.254.169.254', '172.16.0.1', '192.168.1.1', '224.0.0.1', '255.255.255.255'],
      ...['[::1]', '[::]', '[::ffff:127.0.0.1]', '[::ffff:8.8.8.8]', '[fe80::1]', '[fd00::1]'],
      ...['[64:ff9b::7f00:1]', '[ff02::1]', '１２７.0.0.1', '127.0.0.1.'],
    ]) {
      const error = await errorOf(inputs, `http://${host}:${port}/`);
      expect(error.code, host).to.equal('PLAYLIST_ADDRESS_REFUSED');
    }
    expect([connected, asked]).to.deep.equal([[], []]);
  });

  it('refuses a name that stands for such an address, also beside a public one', async () => {
    const connected: string[] = [];
    const resolve = stub({
      'inner.test': ['127.0.0.1'],
      'inner6.test': ['::1'],
      'mapped.test': ['::ffff:127.0.0.1'],
      'both.test': [PUBLIC, '10.0.0.1'],
      'cloud.test': ['169.254.169.254'],
      'zone.test': ['fe80::1%eth0'],
    });
    const inputs = { scope: 'public', resolve, open: internet(connected) } as const;
    for (const name of ['inner', 'inner6', 'mapped', 'both', 'cloud', 'zone']) {
      const error = await errorOf(inputs, `http://${name}.test:${port}/`);
      expect(error.code, name).to.equal('PLAYLIST_ADDRESS_REFUSED');
    }
    const real = { scope: 'public', open: internet(connected) } as const;
    expect((await errorOf(real, `http://localhost:${port}/`)).code).to.equal(
      'PLAYLIST_ADDRESS_REFUSED',
    );
    expect(connected).to.deep.equal([]);
  });

  it('follows redirects, and holds each to the same rule', async () => {
    const connected: string[] = [];
    const resolve = stub({ 'a.test': [PUBLIC], 'b.test': [ALSO_PUBLIC], 'in.test': ['10.0.0.1'] });
    const inputs = { scope: 'public', resolve, open: internet(connected) } as const;
    const redirect = (location: string): void => {
      answer = (request, response) => {
        if (request.url !== '/') response.end('#EXTM3U\n');
        else response.writeHead(302, { Location: location }).end('x'.repeat(100_000));
      };
    };
    redirect(`http://b.test:${port}/list`);
    const list = await makePlaylistFetch(inputs)(`http://a.test:${port}/`);
    expect(list.toString()).to.equal('#EXTM3U\n');
    redirect('/list');
    await makePlaylistFetch(inputs)(`http://a.test:${port}/`);
    expect(connected).to.deep.equal([PUBLIC, ALSO_PUBLIC, PUBLIC, PUBLIC]);
    for (const location of [
      ...[`http://127.0.0.1:${port}/list`, `http://[::1]:${port}/list`, 'http://in.test/list'],
      ...['//169.254.169.254/latest/meta-data', `http://[::ffff:127.0.0.1]:${port}/list`],
    ]) {
      redirect(location);
      const error = await errorOf(inputs, `http://a.test:${port}/`);
      expect(error.code, location).to.equal('PLAYLIST_ADDRESS_REFUSED');
    }
    for (const location of ['file:///etc/passwd', 'ftp://a.test/', 'acestream://x', 'http://']) {
      redirect(location);
      expect(await reasonOf(inputs, `http://a.test:${port}/`), location).to.match(/^it redirects/);
    }
    expect(new Set(connected)).to.deep.equal(new Set([PUBLIC, ALSO_PUBLIC]));
  });

  it('follows three redirects and no more', async () => {
    answer = (request, response) => {
      const left = Number(request.url?.slice(1));
      if (left === 0) response.end('#EXTM3U');
      else response.writeHead(307, { Location: `/${String(left - 1)}` }).end();
    };
    const url = `http://127.0.0.1:${port}`;
    expect((await makePlaylistFetch({ scope: 'any' })(`${url}/3`)).toString()).to.equal('#EXTM3U');
    asked = [];
    expect(await reasonOf({ scope: 'any' }, `${url}/4`)).to.equal('it redirects more than 3 times');
    expect(asked).to.have.lengthOf(4);
  });

  it('takes nothing but http and https addresses', async () => {
    for (const url of [
      ...['', 'lists.test', '//lists.test/', 'file:///etc/passwd', 'ftp://lists.test/'],
      ...['gopher://127.0.0.1:6379/_x', 'http://', `http://a/${'x'.repeat(5_000)}`],
    ]) {
      expect((await errorOf({ scope: 'any' }, url)).code, url).to.equal('BAD_REQUEST');
    }
    // An address of a UNIX socket for the HTTP client.
    const resolve = stub({ unix: ['127.0.0.1'] });
    const inputs = { scope: 'any', resolve } as const;
    const outcome = await makePlaylistFetch(inputs)('http://unix:80/run/docker.sock:/').catch(
      (error: unknown) => error,
    );
    expect(outcome).to.be.instanceOf(AppError);
  });

  it('gives up a playlist that is too large, whether it says so or not', async () => {
    let sent = 0;
    answer = (_request, response) => {
      response.write('#EXTM3U\n');
      const more = (): void => {
        sent += 65_536;
        if (!response.destroyed)
          response.write(Buffer.alloc(65_536, '\n'), () => setImmediate(more));
      };
      more();
    };
    expect(await reasonOf({ scope: 'any' }, `http://127.0.0.1:${port}/`)).to.equal('too-large');
    expect(sent).to.be.below(16 * 1_024 * 1_024);
  });

  it('gives up a slow one, in every phase', async () => {
    const inputs = { scope: 'any', timeoutMs: 150 } as const;
    const url = `http://127.0.0.1:${port}/`;
    const late = 'it took longer than 150 ms';
    answer = () => undefined;
    expect(await reasonOf(inputs, url)).to.equal(late);
    answer = (_request, response) => {
      response.writeHead(200);
      const drip = setInterval(() => response.write('#'), 20);
      response.on('close', () => clearInterval(drip));
    };
    expect(await reasonOf(inputs, url)).to.equal(late);
    const resolve = (): Promise<never> => new Promise(() => undefined);
    expect(await reasonOf({ ...inputs, resolve }, 'http://a.test/')).to.equal(late);
  });

  it('says why there is none', async () => {
    const url = `http://127.0.0.1:${port}/`;
    answer = (_request, response) => response.writeHead(404).end('#EXTM3U');
    expect(await reasonOf({ scope: 'any' }, url)).to.equal('HTTP 404');
    answer = (_request, response) => response.end('{"secret":"of the inner network"}');
    expect(await reasonOf({ scope: 'any' }, url)).to.equal('it is no playlist');
    answer = (request) => request.socket.destroy();
    expect(await reasonOf({ scope: 'any' }, url)).to.equal('ECONNRESET');
    const resolve = stub({});
    expect(await reasonOf({ scope: 'any', resolve }, 'http://a.test/')).to.equal('ENOTFOUND');
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port: free } = closed.address() as AddressInfo;
    closed.close();
    await once(closed, 'close');
    expect(await reasonOf({ scope: 'any' }, `http://127.0.0.1:${String(free)}/`)).to.equal(
      'ECONNREFUSED',
    );
  });
});
