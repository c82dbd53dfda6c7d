import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { ERRORS } from '../../src/shared/errors.js';
import type { ClientId, StreamId, WorkerId } from '../../src/shared/ids.js';
import { makeKeys } from '../../src/shared/redis/keys.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DOCUMENTS = [
  'README.md',
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'src/worker/README.md',
  'docs/operations.md',
  'docs/performance.md',
  'docs/scaling.md',
  'docs/security.md',
  'docs/citations.md',
  'docs/regressions.md',
  'docs/players.md',
];

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** Files below a folder whose names end so, by their paths in the repository. */
function filesBelow(folder: string, ending: RegExp): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => ending.test(name))
    .map((name) => `${folder}/${name}`);
}

/** Interfaces have no index signature, for which `Object.values` would give `any`. */
function valuesOf(object: object): unknown[] {
  return Object.values(object);
}

/** Everything of a pattern's first group, once each. */
function all(text: string, pattern: RegExp): string[] {
  return [...new Set([...text.matchAll(pattern)].map(([, group]) => group ?? ''))];
}

/** What begins so is typed by people, not logged by the proxy. */
const TYPED =
  /^(?:npm|npx|pm2|kill|redis-cli|systemctl|systemd-analyze|ulimit|sentinel|cluster-|GET|POST|DELETE|INFO|HTTP) ?/;

/** A template that says this much itself can be told from others. */
const TELLING = /(?:[a-z]+ ?){3}/;

/** Texts of several words that stand nowhere in the code, nor are made by a template of it. */
function unknownTexts(quoted: readonly string[]): string[] {
  const code = [...filesBelow('src', /\.[jt]s$/), ...filesBelow('scripts', /\.mjs$/)]
    .map(read)
    .join('\n')
    .replaceAll("\\'", "'");
  const templates = all(code, /`([^`\n]*\$\{[^`\n]*)`/g)
    .map((template) => template.split(/\$\{[^}]*\}/))
    .filter((parts) => parts.some((part) => TELLING.test(part)))
    .map((parts) => parts.map((part) => part.replace(/[^\w ]/g, '\\$&')).join('.+'))
    .map((pattern) => new RegExp(`^${pattern}$`));
  return quoted
    .filter((text) => !TYPED.test(text) && !code.includes(text))
    .filter((text) => !templates.some((template) => template.test(text)));
}

/** Where a heading is found: as GitHub makes its anchors. */
function anchors(path: string): string[] {
  return all(read(path), /^#+ (.+)$/gm).map((heading) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

function brokenLinks(document: string): string[] {
  return all(read(document), /\]\(((?!https?:)[^)]+)\)/g).filter((link) => {
    const [path = '', anchor] = link.split('#');
    const target = path === '' ? document : join(dirname(document), path);
    if (!existsSync(join(ROOT, target))) return true;
    return anchor !== undefined && !anchors(target).includes(anchor);
  });
}

/** Paths named as code; those with a placeholder or a wildcard, and what operators write, are left alone. */
function missingPaths(document: string): string[] {
  const text = read(document);
  const named = all(
    text,
    /(?<![\w./-])((?:src|test|scripts|docs|config|\.ci)\/[\w./-]*[\w])(?![\w*<{])/g,
  ).filter(
    (path) => !/^config\/(?:$|(?:channels|users)\.json$)/.test(path) && !text.includes(`${path}/<`),
  );
  return named.filter((path) => !existsSync(join(ROOT, path)));
}

describe('the documents', () => {
  for (const document of DOCUMENTS) {
    it(`${document} links only to what there is`, () => {
      expect(brokenLinks(document)).to.deep.equal([]);
    });

    it(`${document} names only files that there are`, () => {
      expect(missingPaths(document)).to.deep.equal([]);
    });
  }

  it('name only npm scripts that there are', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    for (const document of DOCUMENTS) {
      for (const name of all(read(document), /npm run ([a-z:-]+)/g)) {
        expect(scripts, document).to.have.property(name);
      }
    }
  });

  it('name only variables that there are', () => {
    const schema = ['schema', 'access-variables']
      .map((name) => read(`src/shared/config/${name}.ts`))
      .join('\n');
    for (const document of DOCUMENTS) {
      for (const name of all(read(document), /\b((?:PROXY|ACE)_[A-Z_]*[A-Z])\b/g)) {
        expect(schema, `${document}: ${name}`).to.include(`${name}:`);
      }
    }
  });

  it('name only metrics that there are', () => {
    const known = ['definitions', 'render']
      .map((name) => read(`src/shared/metrics/${name}.ts`))
      .join();
    for (const name of all(read('docs/operations.md'), /\bace_proxy_([a-z_]+)\b/g)) {
      expect(known).to.match(new RegExp(`['_\`]${name}['\`]`), name);
    }
  });
});

describe('src/worker/README.md', () => {
  const text = read('src/worker/README.md');
  const files = filesBelow('src/worker', /\.ts$/);

  it('names only files of the worker', () => {
    const names = new Set(files.map((path) => path.split('/').at(-1)));
    for (const name of all(text, /`([a-z-]+\.ts)`/g)) expect(names, name).to.include(name);
  });

  it('names every file of the engine folder and every file beside the folders', () => {
    for (const path of files.filter((name) => /^src\/worker\/(engine\/)?[a-z-]+\.ts$/.test(name))) {
      expect(text, path).to.include(path.split('/').at(-1));
    }
  });
});

describe('ARCHITECTURE.md', () => {
  const text = read('ARCHITECTURE.md');

  it('has every Lua script and no other', () => {
    const scripts = filesBelow('src/shared/redis/lua', /\.lua$/).map((path) => path.slice(21));
    expect(all(text, /`(\w+-\d+\.lua)`/g).sort()).to.deep.equal(scripts.sort());
  });

  it('has every IPC message', () => {
    const messages = read('src/shared/ipc/messages.ts');
    for (const type of all(messages, /readonly type: '([a-z-]+)'/g)) {
      expect(text, type).to.include(`\`${type}\``);
    }
  });

  it('has every event', () => {
    for (const type of all(read('src/shared/redis/events.ts'), /readonly type: '(\w+)'/g)) {
      expect(text, type).to.include(`\`${type}\``);
    }
  });

  it('has every key and channel that the key builder makes', () => {
    const keys = makeKeys({ hashTags: false });
    const stream = keys.stream('<id>' as StreamId);
    const client = '<cid>' as ClientId;
    const made = [
      ...valuesOf(stream),
      ...valuesOf(keys.engines),
      stream.chunk(0).replace(/0$/, '<n>'),
      stream.client(client),
      stream.clientStop(client),
      keys.heartbeat('<wid>' as WorkerId),
      keys.kind('<id>' as StreamId),
      keys.refused('<id>' as StreamId),
      ...valuesOf(keys).filter((value) => value !== keys.streamPattern),
    ].filter((value): value is string => typeof value === 'string');
    expect(made.length).to.be.greaterThan(30);
    for (const name of made) expect(text, name).to.include(`\`${name}\``);
  });
});

describe('docs/operations.md', () => {
  it('quotes only log lines that there are, and so do the alerts', () => {
    const prose = read('docs/operations.md').replace(/```[^]*?```/g, '');
    const lines = all(prose, /`([A-Za-z][\w':-]*(?: [\w':-]+)+)`/g);
    const alerts = all(read('deploy/prometheus/alerts.yml'), /"([a-z][^"\n]* [^"\n]*)"/g);
    expect(lines).to.include('a worker is gone');
    expect(alerts).to.include('a worker failed');
    expect(unknownTexts([...lines, ...alerts])).to.deep.equal([]);
  });

  it('has a remedy for every error code', () => {
    const rows = all(read('docs/operations.md'), /^\| `([A-Z_]+)` +\|/gm);
    expect(rows.sort()).to.deep.equal(Object.keys(ERRORS).sort());
  });
});

describe('docs/citations.md', () => {
  const sections = new Set(
    read('docs/citations.md')
      .split(/^## /m)
      .slice(1)
      .flatMap((part) => {
        const source = /^[\w-]+/.exec(part)?.[0] ?? '';
        return all(part, /^\| (\d[\d.]*) +\|/gm).map((section) => `${source} ${section}`);
      }),
  );

  it('has every section that a comment cites', () => {
    const files = [...filesBelow('src', /\.(ts|lua)$/), ...filesBelow('test', /\.ts$/)];
    const missing = files.flatMap((path) =>
      all(readFileSync(resolve(ROOT, path), 'utf8'), /\b((?:spec|engine-api|style) \d+(?:\.\d+)*)/g)
        .filter((citation) => !sections.has(citation))
        .map((citation) => `${path}: ${citation}`),
    );
    expect(missing).to.deep.equal([]);
  });
});
