// Runs test files in lanes: processes that take the next file when they are done with one.
import { fork } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ROOT } from './ensure.mjs';

const LANE = fileURLToPath(new URL('lane.mjs', import.meta.url));
/** ms; what a test left running would keep its file, and with it CI, for ever. */
const FILE_TIMEOUT_MS = 5 * 60_000;
/** ms for a lane without files to end by itself; a handle that is left open keeps it. */
const END_TIMEOUT_MS = 10_000;
/** ms for what ends when its lane has ended. */
const LEAVE_TIMEOUT_MS = 3_000;

/** Process groups that run now: each lane leads one, and what its tests start belongs to it. */
const groups = new Set();

/** Ends everything that was started here, at once. */
export function killLanes() {
  for (const group of groups) killGroup(group);
}

/**
 * Runs `files` in `count` lanes and writes the output of each file when it is over, as one piece.
 * Resolves to `{ passed, failed }`: a number, and a line for each failure. A lane that dies or hangs fails its
 * file, and another one goes on.
 */
export async function runInLanes({ files, count, folder, ...options }) {
  const totals = { passed: 0, failed: [] };
  const waiting = [...files];
  const work = async () => {
    while (waiting.length > 0) await runLane({ waiting, folder, options, totals });
  };
  await Promise.all(Array.from({ length: Math.min(count, files.length) }, work));
  return totals;
}

let lanes = 0;

/** One process until the files are over or it dies. */
async function runLane({ waiting, folder, options, totals }) {
  const output = new Output(join(folder, `lane-${String((lanes += 1))}`));
  const lane = fork(LANE, {
    cwd: ROOT,
    execArgv: ['--import=tsx'],
    stdio: ['ignore', output.fd, output.fd, 'ipc'],
    // A group of its own, so that nothing of it outlives it.
    detached: true,
  });
  groups.add(lane.pid);
  let file = null;
  let timer;
  const fail = (text) => totals.failed.push(text);
  const next = () => {
    clearTimeout(timer);
    file = waiting.shift() ?? null;
    lane.send({ file, options: { ...options, color: process.stdout.isTTY === true } });
    timer = setTimeout(killGroup, file === null ? END_TIMEOUT_MS : FILE_TIMEOUT_MS, lane.pid);
  };
  // A file sent to a lane that is just dying: its exit tells.
  lane.on('error', () => undefined);
  lane.on('message', ({ passed, failed }) => {
    process.stdout.write(output.read());
    totals.passed += passed;
    for (const title of failed) fail(title);
    next();
  });
  next();
  const [code, signal] = await new Promise((resolve) => {
    lane.once('exit', (...how) => resolve(how));
  });
  clearTimeout(timer);
  process.stdout.write(output.read());
  output.close();
  if (file !== null) fail(`${file}: its process ended in the middle (${signal ?? String(code)})`);
  else if (code !== 0) fail('a lane did not end by itself: one of its tests left something open');
  for (const left of await leftIn(lane.pid)) fail(`left running by a test: ${left}`);
  killGroup(lane.pid);
  groups.delete(lane.pid);
}

/** What a lane writes, through a file: it is there before the message that says the lane is done. */
class Output {
  constructor(path) {
    this.fd = openSync(path, 'a+');
    this.at = 0;
  }

  /** What came since the last time. */
  read() {
    const parts = [];
    for (;;) {
      const part = Buffer.alloc(65_536);
      const size = readSync(this.fd, part, 0, part.length, this.at);
      if (size === 0) return Buffer.concat(parts);
      parts.push(part.subarray(0, size));
      this.at += size;
    }
  }

  close() {
    closeSync(this.fd);
  }
}

/** Who is left of a group when those that end with their parent, the compiler above all, have had time to. */
async function leftIn(group) {
  for (let waited = 0; membersOf(group).length > 0 && waited < LEAVE_TIMEOUT_MS; waited += 50) {
    await delay(50);
  }
  return membersOf(group);
}

/** Command lines of the living processes of a group. */
function membersOf(group) {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
        const [state, , of] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        if (Number(of) !== group || state === 'Z') return [];
        return [readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()];
      } catch {
        // It has ended meanwhile.
        return [];
      }
    });
}

function killGroup(group) {
  try {
    process.kill(-group, 'SIGKILL');
  } catch {
    // Nobody is left in it.
  }
}
