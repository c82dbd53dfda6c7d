// Installs what a fresh machine lacks, and says what it does. Used by `npm run demo` and `npm test`.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Which Debian package brings a program. */
const PACKAGES = {
  'redis-server': 'redis-server',
  ffmpeg: 'ffmpeg',
  ffprobe: 'ffmpeg',
  curl: 'curl',
  jq: 'jq',
  nginx: 'nginx-light',
  chromium: 'chromium',
};

/** Runs a command with its output shown; ends this process when it fails. */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: ROOT, stdio: 'inherit', ...options });
  if (result.error) fail(`${command} cannot be run: ${result.error.message}`);
  if (result.status !== 0) process.exit(result.status ?? 1);
}

export function say(text) {
  process.stdout.write(`→ ${text}\n`);
}

export function fail(text) {
  process.stderr.write(`${text}\n`);
  process.exit(1);
}

/** The node modules of the lockfile, once. */
export function ensureModules() {
  if (existsSync(join(ROOT, 'node_modules', '.package-lock.json'))) return;
  say('installing the node modules');
  run('npm', ['ci', '--no-audit', '--no-fund']);
}

/** Builds unless `dist` is newer than what it is built from: whoever runs from it is not disturbed. */
export function ensureBuild() {
  if (isBuilt()) return;
  say('building');
  run('npm', ['run', '--silent', 'build']);
}

function isBuilt() {
  // The last step of the build touches it.
  const built = changedAt('dist');
  const sources = readdirSync(join(ROOT, 'src'), { recursive: true }).map((name) =>
    join('src', name),
  );
  return [
    'src',
    'tsconfig.json',
    'tsconfig.build.json',
    'package-lock.json',
    'scripts/copy-assets.mjs',
    ...sources,
  ].every((path) => changedAt(path) < built);
}

/** ms; of a folder: when something came or went. */
function changedAt(path) {
  return statSync(join(ROOT, path), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** Programs by the system's package manager where it may be used, else a word on what to do. */
export function ensurePrograms(programs) {
  const missing = programs.filter((program) => !isThere(program));
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((program) => PACKAGES[program]))];
  const manual = `Please install ${packages.join(', ')} (Debian: sudo apt-get install ${packages.join(' ')}).`;
  if (!isThere('apt-get')) fail(`${missing.join(', ')} not found. ${manual}`);
  const prefix = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  if (prefix.length > 0 && spawnSync('sudo', ['-n', 'true']).status !== 0) {
    fail(`${missing.join(', ')} not found, and this user may not install packages. ${manual}`);
  }
  say(`installing ${packages.join(', ')} by apt-get`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (...args) => {
    const [command, ...rest] = [...prefix, 'apt-get', ...args];
    return spawnSync(command, rest, { stdio: ['ignore', 'ignore', 'inherit'], env }).status === 0;
  };
  const install = () => apt('install', '-y', '--no-install-recommends', ...packages);
  if (!install() && !(apt('update') && install())) fail(`apt-get failed. ${manual}`);
  // The package may start a server of its own on the default port: that one is used then.
}

function isThere(program) {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
}
