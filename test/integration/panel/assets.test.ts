import { expect } from 'chai';
import { fakeDeps, runApp, type RunningApp } from '../../helpers/http-app.js';

const LINK = /(?:src|href|content)="(panel\/[^"]+)"/g;

describe('the files of the panel', () => {
  let app: RunningApp;

  beforeEach(async () => {
    app = await runApp(fakeDeps({ apiKeyConfigured: true }));
  });

  afterEach(() => app.close());

  it('are open although a key is configured, and forbid everything from elsewhere', async () => {
    const answer = await fetch(`${app.url}/panel`);
    expect(answer.status).to.equal(200);
    expect(answer.headers.get('content-type')).to.equal('text/html; charset=utf-8');
    expect(answer.headers.get('content-security-policy')).to.include("default-src 'self'");
    expect(answer.headers.get('content-security-policy')).to.not.match(/unsafe|https?:|\*/);
    expect(answer.headers.get('x-content-type-options')).to.equal('nosniff');
  });

  it('are all there, with the libraries under a name that changes with their version', async () => {
    const page = await (await fetch(`${app.url}/panel`)).text();
    const links = [...page.matchAll(LINK)].map(([, link]) => link!);
    expect(links).to.have.length.greaterThan(5);
    for (const link of links) {
      const answer = await fetch(`${app.url}/${link}`);
      expect(answer.status, link).to.equal(200);
      const isLibrary = /-\d+\.\d+\.\d+\.(js|css)$/.test(link);
      expect(answer.headers.get('cache-control'), link).to.equal(
        isLibrary ? 'public, max-age=31536000, immutable' : 'no-cache',
      );
      await answer.arrayBuffer();
    }
    expect(links.filter((link) => /-\d+\.\d+/.test(link))).to.have.length(3);
  });

  it('import only modules that are served', async () => {
    const open = ['panel.js'];
    const seen = new Set<string>();
    for (let name = open.pop(); name !== undefined; name = open.pop()) {
      if (seen.has(name)) continue;
      seen.add(name);
      const answer = await fetch(`${app.url}/panel/${name}`);
      expect(answer.status, name).to.equal(200);
      expect(answer.headers.get('content-type'), name).to.equal('text/javascript; charset=utf-8');
      const text = await answer.text();
      open.push(
        ...[...text.matchAll(/^import [^;]*? from '\.\/([^']+)';$/gm)].map(([, to]) => to!),
      );
      expect(text, name).to.not.match(/https?:\/\/(?!www\.w3\.org)/);
    }
    expect(seen.size).to.be.greaterThan(8);
  });

  it('are not sent again to a browser that has them, and are sent compressed', async () => {
    const first = await fetch(`${app.url}/panel/panel.css`, {
      headers: { 'Accept-Encoding': 'gzip' },
    });
    expect(first.headers.get('content-encoding')).to.equal('gzip');
    const etag = first.headers.get('etag')!;
    expect(await first.text()).to.include('color-scheme');
    const plain = await fetch(`${app.url}/panel/panel.css`, {
      headers: { 'Accept-Encoding': 'identity' },
    });
    expect(plain.headers.get('content-encoding')).to.be.null;
    expect(await plain.text()).to.include('color-scheme');
    const again = await fetch(`${app.url}/panel/panel.css`, { headers: { 'If-None-Match': etag } });
    expect(again.status).to.equal(304);
    expect(await again.text()).to.equal('');
  });

  it('are these and no others', async () => {
    for (const name of ['index.html', 'nothing.js', '..%2fapp.js', '%2e%2e%2fopenapi.yaml']) {
      expect((await fetch(`${app.url}/panel/${name}`)).status, name).to.equal(404);
    }
    expect((await fetch(`${app.url}/panel`, { method: 'POST' })).status).to.equal(405);
  });

  it('are found from the path with a slash too', async () => {
    const answer = await fetch(`${app.url}/panel/`, { redirect: 'manual' });
    expect(answer.status).to.equal(308);
    expect(new URL(answer.headers.get('location')!, `${app.url}/panel/`).pathname).to.equal(
      '/panel',
    );
  });
});
