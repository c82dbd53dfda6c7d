// `npm test`: installs what is missing, builds, runs every suite and ends with one line of totals.
// `npm test -- unit` (or integration, e2e, architecture) runs one; further arguments go to mocha.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureBuild, ensureModules, ensurePrograms, fail, ROOT, say } from './lib/ensure.mjs';

/** In the order of their speed. ms per test: real processes start within seconds. */
const SUITES = { architecture: 30_000, unit: 20_000, integration: 30_000, e2e: 60_000 };

const SUITE_TIMEOUT_MS = 15 * 60_000;

const [first, ...rest] = process.argv.slice(2);
const chosen = first === undefined || first.startsWith('-') ? Object.keys(SUITES) : [first];
const extra = first === undefined || !first.startsWith('-') ? rest : [first, ...rest];
for (const suite of chosen) if (!(suite in SUITES)) fail(`there is no suite "${suite}"`);

ensureModules();
ensurePrograms(['redis-server', 'ffmpeg', 'ffprobe', 'curl', 'jq', 'nginx', 'chromium']);
ensureBuild();

const folder = mkdtempSync(join(tmpdir(), 'acestream-proxy-test-'));
let passed = 0;
let failed = 0;
for (const suite of chosen) {
  say(`${suite} tests`);
  const report = join(folder, `${suite}.json`);
  const args = [
    '--import=tsx',
    'node_modules/mocha/bin/mocha.js',
    `test/${suite}/**/*.test.ts`,
    '--timeout',
    String(SUITES[suite]),
    '--reporter',
    'scripts/lib/reporter.cjs',
    '--reporter-option',
    `output=${report}`,
    ...extra,
  ];
  const { status } = spawnSync(process.execPath, args, {
    cwd: ROOT,
    stdio: 'inherit',
    // What a test left running would keep its suite, and with it CI, for ever.
    timeout: SUITE_TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  const totals = readTotals(report);
  passed += totals.passed;
  failed += totals.failed;
  if (status !== 0 && totals.failed === 0) failed += 1;
}
rmSync(folder, { recursive: true, force: true });
process.stdout.write(`${String(passed)} passed, ${String(failed)} failed\n`);
process.exit(failed === 0 ? 0 : 1);

/** A suite that wrote no report died: that is a failure. */
function readTotals(report) {
  try {
    return JSON.parse(readFileSync(report, 'utf8'));
  } catch {
    return { passed: 0, failed: 1 };
  }
}
