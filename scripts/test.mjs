// `npm test`: installs what is missing, builds, runs every suite and ends with one line of totals.
// `npm test -- e2e` (or architecture, unit, integration) runs one; `npm test -- e2e panel pm2` those of its files
// whose path contains one of the words; `--grep TEXT` those tests whose title contains it.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureBuild, ensureModules, ensurePrograms, fail, ROOT, say } from './lib/ensure.mjs';
import { killLanes, runInLanes } from './lib/lanes.mjs';

/**
 * In the order of their speed. `lanes`: how many files run at once; most of integration and e2e is waiting.
 * `first`: what takes longest begins first. `alone`: what measures times, or needs both cores; it runs when the
 * lanes are through.
 */
const SUITES = {
  architecture: { lanes: 1, first: [], alone: [] },
  unit: { lanes: 2, first: ['unit/mpegts/'], alone: [] },
  integration: {
    lanes: 2,
    first: ['primary/', 'session/', 'engine/engine-keeper', 'scripts/', 'engine/playback'],
    alone: [],
  },
  e2e: {
    lanes: 2,
    first: [
      'chaos-redis',
      'panel',
      'chaos-engine',
      'chaos-workers',
      'operator-keys',
      'limits',
      'join',
      'pm2',
    ],
    alone: [],
  },
};

/** ms per test; the waits within them are far shorter. As in .mocharc.json. */
const TIMEOUT_MS = 120_000;

const { values, positionals } = parseArgs({
  options: { grep: { type: 'string', short: 'g' } },
  allowPositionals: true,
});
const [only, ...words] = positionals;
if (only !== undefined && !(only in SUITES)) fail(`there is no suite "${only}"`);

ensureModules();
ensurePrograms(['redis-server', 'ffmpeg', 'ffprobe', 'curl', 'jq', 'nginx', 'chromium']);
ensureBuild();

const folder = mkdtempSync(join(tmpdir(), 'acestream-proxy-test-'));
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    killLanes();
    process.exit(1);
  });
}
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));

let passed = 0;
const failed = [];
for (const suite of only === undefined ? Object.keys(SUITES) : [only]) {
  const { lanes, first, alone } = SUITES[suite];
  say(`${suite} tests`);
  const startedAt = Date.now();
  const isOf = (words) => (file) => words.some((word) => file.includes(word));
  const files = filesOf(suite).filter(words.length > 0 ? isOf(words) : () => true);
  const together = files.filter((file) => !isOf(alone)(file));
  const rank = (file) =>
    (first.findIndex((word) => file.includes(word)) + first.length + 1) % (first.length + 1);
  together.sort((a, b) => rank(a) - rank(b));
  for (const [some, count] of [
    [together, lanes],
    [files.filter(isOf(alone)), 1],
  ]) {
    const totals = await runInLanes({
      files: some,
      count,
      folder,
      timeout: TIMEOUT_MS,
      grep: values.grep,
    });
    passed += totals.passed;
    failed.push(...totals.failed);
  }
  say(`${suite} tests took ${String(Math.round((Date.now() - startedAt) / 1_000))} s`);
}
for (const title of failed) process.stdout.write(`failed: ${title}\n`);
process.stdout.write(`${String(passed)} passed, ${String(failed.length)} failed\n`);
process.exit(failed.length === 0 ? 0 : 1);

/** The test files of a suite, from the root of the repository. */
function filesOf(suite) {
  return readdirSync(join(ROOT, 'test', suite), { recursive: true })
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => join('test', suite, file))
    .sort();
}
