import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { expect } from 'chai';
import fc from 'fast-check';

import { provideApiKey } from '../../../src/primary/api-key.js';
import type { ApiKeyOptions } from '../../../src/primary/api-key.js';
import { sameKey } from '../../../src/shared/constant-time.js';

const uid = process.getuid?.() ?? 0;

describe('provideApiKey', () => {
  let tmpDir: string;
  let options: ApiKeyOptions;

  beforeEach(() => {
    tmpDir = mkdtempSync(join(tmpdir(), 'api-key-test-'));
    options = { configured: null, runtimeDir: undefined, tmpDir, uid, instance: '8000' };
  });

  afterEach(() => rmSync(tmpDir, { recursive: true }));

  const mode = (path: string): number => lstatSync(path).mode & 0o777;

  it('hands on the configured key and writes nothing', () => {
    const { key, path, remove } = provideApiKey({ ...options, configured: 'mine' });
    remove();
    expect([key, path, readdirSync(tmpDir)]).to.deep.equal(['mine', null, []]);
  });

  it('makes a fresh key that only its user can read, whatever the umask', () => {
    const umask = process.umask(0);
    try {
      const first = provideApiKey(options);
      const path = join(tmpDir, `acestream-proxy-${String(uid)}`, 'api-key-8000');
      expect(first.path).to.equal(path);
      expect([mode(path), mode(dirname(path))]).to.deep.equal([0o600, 0o700]);
      expect(readFileSync(path, 'utf8')).to.equal(`${first.key}\n`);
      expect(first.key).to.match(/^[\w-]{43}$/);
      expect(provideApiKey(options).key).to.not.equal(first.key);
    } finally {
      process.umask(umask);
    }
  });

  it('prefers the runtime directory of the user, and only when it is private', () => {
    const runtimeDir = join(tmpDir, 'run');
    mkdirSync(runtimeDir, { mode: 0o700 });
    expect(provideApiKey({ ...options, runtimeDir }).path).to.equal(
      join(runtimeDir, 'acestream-proxy', 'api-key-8000'),
    );
    chmodSync(runtimeDir, 0o777);
    expect(provideApiKey({ ...options, runtimeDir }).path).to.not.include(runtimeDir);
    expect(provideApiKey({ ...options, runtimeDir: '/nowhere' }).path).to.include(tmpDir);
  });

  it('goes elsewhere when somebody has prepared the directory', () => {
    const trap = join(tmpDir, `acestream-proxy-${String(uid)}`);
    const prepare: Record<string, () => void> = {
      symlink: () => {
        mkdirSync(join(tmpDir, 'elsewhere'), { mode: 0o700 });
        symlinkSync(join(tmpDir, 'elsewhere'), trap);
      },
      'world-writable': () => {
        mkdirSync(trap);
        chmodSync(trap, 0o777);
      },
      file: () => writeFileSync(trap, ''),
    };
    for (const [name, make] of Object.entries(prepare)) {
      make();
      const { path } = provideApiKey(options);
      expect(dirname(path ?? ''), name).to.match(/acestream-proxy-\d+-\w{6}$/);
      expect(mode(dirname(path ?? '')), name).to.equal(0o700);
      rmSync(trap, { recursive: true });
    }
    if (existsSync(join(tmpDir, 'elsewhere'))) {
      expect(readdirSync(join(tmpDir, 'elsewhere'))).to.deep.equal([]);
    }
  });

  it('does not take the directory of another user', () => {
    const path = join(tmpDir, `acestream-proxy-${String(uid + 1)}`);
    mkdirSync(path, { mode: 0o700 });
    const key = provideApiKey({ ...options, uid: uid + 1 });
    expect(dirname(key.path ?? '')).to.not.equal(path);
  });

  it('replaces a symlink in the place of the file instead of following it', () => {
    const { path } = provideApiKey(options);
    const victim = join(tmpDir, 'victim');
    writeFileSync(victim, 'precious');
    rmSync(path ?? '');
    symlinkSync(victim, path ?? '');
    provideApiKey(options);
    expect(lstatSync(path ?? '').isFile()).to.be.true;
    expect(readFileSync(victim, 'utf8')).to.equal('precious');
  });

  it('removes its own key and nobody else’s', () => {
    const older = provideApiKey(options);
    const newer = provideApiKey(options);
    const other = provideApiKey({ ...options, instance: '8001' });
    older.remove();
    expect(readFileSync(newer.path ?? '', 'utf8')).to.equal(`${newer.key}\n`);
    newer.remove();
    newer.remove();
    expect(existsSync(newer.path ?? '')).to.be.false;
    other.remove();
    expect(readdirSync(tmpDir)).to.deep.equal([]);
  });
});

describe('sameKey', () => {
  it('is true for equal keys only, of whatever length', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (a, b) => {
        expect(sameKey(a, a)).to.be.true;
        expect(sameKey(a, b)).to.equal(a === b);
        expect(sameKey(a, `${a}x`)).to.be.false;
      }),
    );
  });
});
