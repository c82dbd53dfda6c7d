import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmdirSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

export interface ApiKey {
  readonly key: string;
  /** Where a key of our own making can be read; `null` when the operator gave one. */
  readonly path: string | null;
  /** Removes the file, unless another proxy has put its own key there. */
  readonly remove: () => void;
}

export interface ApiKeyOptions {
  /** `PROXY_API_KEY`. */
  readonly configured: string | null;
  /** `XDG_RUNTIME_DIR`: a directory of this user alone, where the system has such. */
  readonly runtimeDir: string | undefined;
  /** `os.tmpdir()`: where everybody may write. */
  readonly tmpDir: string;
  readonly uid: number;
  /** Names the file: the port, so that proxies of one user do not take each other's. */
  readonly instance: string;
}

const KEY_BYTES = 32;
const OWNER_ONLY_DIR = 0o700;
const OWNER_ONLY_FILE = 0o600;
const OTHERS = 0o077;
const SAFE_INSTANCE = /^[A-Za-z0-9_-]{1,32}$/;

/**
 * The Bearer key of the management routes (spec 6): the configured one, or a random one in
 * `<directory>/api-key-<instance>`, which only this user can read. Throws when no directory can be
 * written to.
 */
export function provideApiKey(options: ApiKeyOptions): ApiKey {
  if (options.configured !== null) {
    return { key: options.configured, path: null, remove: () => undefined };
  }
  if (!SAFE_INSTANCE.test(options.instance)) throw new Error('the instance is no file name');
  const key = randomBytes(KEY_BYTES).toString('base64url');
  const path = join(privateDirectory(options), `api-key-${options.instance}`);
  writeExclusively(path, `${key}\n`);
  return { key, path, remove: () => removeOwn(path, key) };
}

/** A directory of ours, or a fresh one when somebody else has put something in its place. */
function privateDirectory({ runtimeDir, tmpDir, uid }: ApiKeyOptions): string {
  const name = `acestream-proxy-${String(uid)}`;
  // Under sudo it may be the directory of somebody else, who could exchange what is in it.
  const ownRuntime = runtimeDir !== undefined && isPrivate(runtimeDir, uid);
  const candidates = [
    ...(ownRuntime ? [join(runtimeDir, 'acestream-proxy')] : []),
    join(tmpDir, name),
  ];
  const found = candidates.find((path) => makeDirectory(path) && isPrivate(path, uid));
  return found ?? mkdtempSync(join(tmpDir, `${name}-`));
}

function makeDirectory(path: string): boolean {
  try {
    mkdirSync(path, { mode: OWNER_ONLY_DIR });
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EEXIST';
  }
}

/** lstat: a symlink with the right name would lead the key to where its maker reads it. */
function isPrivate(path: string, uid: number): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found?.isDirectory() === true && found.uid === uid && (found.mode & OTHERS) === 0;
}

/** Made beside and renamed: the file never exists with other rights or with half a key. */
function writeExclusively(path: string, text: string): void {
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const file = openSync(draft, flags, OWNER_ONLY_FILE);
  try {
    writeSync(file, text);
  } finally {
    closeSync(file);
  }
  renameSync(draft, path);
}

function removeOwn(path: string, key: string): void {
  try {
    if (readFileSync(path, 'utf8').trim() !== key) return;
    unlinkSync(path);
    // Only an empty directory goes: other proxies of this user may have their keys there.
    rmdirSync(dirname(path));
  } catch {
    // Somebody tidied up before us, or the directory is in use: there is nothing left to hide.
  }
}
