import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { parseSource, readSources, type SourceFile } from '../helpers/source-files.js';

/** Which folders of `src/worker` a folder may import besides `contracts.ts`, `shared` and itself. */
const WORKER_FOLDERS: Readonly<Record<string, readonly string[]>> = {
  engine: [],
  ring: [],
  client: [],
  owner: ['engine', 'ring'],
  follower: ['ring'],
  stream: ['owner', 'follower', 'client', 'ring', 'engine'],
  playlist: ['engine'],
  access: [],
  http: ['stream', 'client', 'playlist', 'access'],
  lifecycle: [],
};

/** Each third-party package has one door. */
const DOORS: Readonly<Record<string, readonly RegExp[]>> = {
  got: [/^worker\/engine\//],
  ioredis: [/^shared\/redis\//],
  express: [/^worker\/http\//],
  winston: [/^shared\/log\//],
  convict: [/^shared\/config\//],
  'prom-client': [/^shared\/metrics\//],
  // Served to browsers as they are: `panel-assets.ts` reads their files, nobody imports them.
  'mpegts.js': [],
  uplot: [],
  'node:cluster': [/^primary\//],
};

/** Files beside the folders put the parts together: they import all of them, and none imports them. */
const ASSEMBLY = /^worker\/[^/]+\.ts$/;
const CONTRACTS = 'worker/contracts.ts';

function layerOf(path: string): string {
  return path.split('/')[0] ?? '';
}

/** Why this import is not allowed, or `null`. */
function fault(path: string, target: string): string | null {
  const [from, to] = [layerOf(path), layerOf(target)];
  if (from === to) return from === 'worker' ? workerFault(path, target) : null;
  return to === 'shared' ? null : `${from} must not import ${to}`;
}

function workerFault(path: string, target: string): string | null {
  if (target === CONTRACTS) return null;
  if (path === CONTRACTS) return 'the contracts know nothing of the folders';
  if (ASSEMBLY.test(path)) return null;
  if (ASSEMBLY.test(target)) return 'the parts do not know what puts them together';
  const [from, to] = [path.split('/')[1] ?? '', target.split('/')[1] ?? ''];
  if (from === to) return null;
  const allowed = WORKER_FOLDERS[from];
  if (allowed === undefined) return `worker/${from} has no rule here`;
  return allowed.includes(to) ? null : `worker/${from} must not import worker/${to}`;
}

function faults(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path, imports }) =>
    imports
      .filter(({ own }) => own)
      .flatMap(({ target }) => {
        const found = fault(path, target);
        return found === null ? [] : [`${path} → ${target}: ${found}`];
      }),
  );
}

function doorFaults(files: readonly SourceFile[], dependencies: readonly string[]): string[] {
  return files.flatMap(({ path, imports }) =>
    imports
      .filter(({ own }) => !own)
      .flatMap(({ target }) => {
        const doors = DOORS[target];
        if (doors === undefined) {
          if (target.startsWith('node:')) return [];
          const known = dependencies.includes(target) ? 'has no door here' : 'is no dependency';
          return [`${path}: ${target} ${known}`];
        }
        return doors.some((door) => door.test(path)) ? [] : [`${path} imports ${target}`];
      }),
  );
}

/** One cycle as the paths on it, or `null`. Types count too: a cycle of types is a cycle of thoughts. */
function findCycle(files: readonly SourceFile[]): string[] | null {
  const edges = new Map(
    files.map(({ path, imports }) => [
      path,
      imports.filter(({ own }) => own).map(({ target }) => target),
    ]),
  );
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): string[] | null => {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path];
    if (done.has(path)) return null;
    for (const next of edges.get(path) ?? []) {
      const cycle = visit(next, [...trail, path]);
      if (cycle !== null) return cycle;
    }
    done.add(path);
    return null;
  };
  for (const path of edges.keys()) {
    const cycle = visit(path, []);
    if (cycle !== null) return cycle;
  }
  return null;
}

describe('the imports', () => {
  const files = readSources();
  const { dependencies } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  ) as { dependencies: Record<string, string> };

  it('keep to the order of the folders', () => {
    expect(faults(files)).to.deep.equal([]);
  });

  it('use one door per package, and only packages that are dependencies', () => {
    expect(doorFaults(files, Object.keys(dependencies))).to.deep.equal([]);
  });

  it('have a door for every dependency that is installed with the proxy', () => {
    expect(Object.keys(dependencies).filter((name) => !(name in DOORS))).to.deep.equal([]);
  });

  it('lead to files that exist', () => {
    const paths = new Set(files.map(({ path }) => path));
    const lost = files.flatMap(({ path, imports }) =>
      imports
        .filter(({ own, target }) => own && !paths.has(target))
        .map(({ target }) => `${path} → ${target}`),
    );
    expect(lost).to.deep.equal([]);
  });

  it('make no cycle', () => {
    expect(findCycle(files)).to.be.null;
  });

  it('need no default export and no barrel', () => {
    const odd = files.filter(
      ({ path, hasDefaultExport }) => hasDefaultExport || /(^|\/)index\.ts$/.test(path),
    );
    expect(odd.map(({ path }) => path)).to.deep.equal([]);
  });

  it('keep contracts.ts free of everything that is left after the build', () => {
    const contracts = files.find(({ path }) => path === 'worker/contracts.ts');
    expect(contracts?.imports.filter(({ typeOnly }) => !typeOnly)).to.deep.equal([]);
  });
});

describe('the rules themselves', () => {
  const file = (path: string, text: string): SourceFile => parseSource(path, text);

  it('see every kind of import', () => {
    const text = [
      "import { a } from './a.js';",
      "import type { B } from '../b.js';",
      "export { c } from './c.js';",
      "const d = await import('./d.js');",
      "import { type E } from 'ioredis/built/x';",
      "// import './comment.js';",
    ].join('\n');
    expect(file('worker/http/x.ts', text).imports).to.deep.equal([
      { target: 'worker/http/a.ts', own: true, typeOnly: false },
      { target: 'worker/b.ts', own: true, typeOnly: true },
      { target: 'worker/http/c.ts', own: true, typeOnly: false },
      { target: 'worker/http/d.ts', own: true, typeOnly: false },
      { target: 'ioredis', own: false, typeOnly: true },
    ]);
  });

  it('refuse what goes backwards', () => {
    for (const [path, specifier] of [
      ['shared/a.ts', '../worker/contracts.js'],
      ['primary/a.ts', '../worker/contracts.js'],
      ['worker/ring/a.ts', '../owner/b.js'],
      ['worker/http/a.ts', '../engine/b.js'],
      ['worker/stream/a.ts', '../main.js'],
      ['worker/contracts.ts', './ring/b.js'],
    ] as const) {
      expect(faults([file(path, `import '${specifier}';`)]), path).to.have.lengthOf(1);
    }
    expect(faults([file('worker/main.ts', "import './http/app.js';")])).to.be.empty;
  });

  it('refuse a package outside its door', () => {
    const source = file(
      'worker/http/a.ts',
      "import { Redis } from 'ioredis'; import x from 'left-pad';",
    );
    expect(doorFaults([source], ['ioredis'])).to.have.lengthOf(2);
  });

  it('find a cycle and a default export', () => {
    const a = file('shared/a.ts', "import './b.js'; export default 1;");
    const b = file('shared/b.ts', "import './a.js'; export default function f() {}");
    expect(findCycle([a, b])).to.deep.equal(['shared/a.ts', 'shared/b.ts', 'shared/a.ts']);
    expect([a.hasDefaultExport, b.hasDefaultExport]).to.deep.equal([true, true]);
  });
});
