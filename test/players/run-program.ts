import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { PictureCount } from './packet-count.js';
import { ASK_MS, type Program } from './programs.js';
import { Screen } from './screen.js';

/** A player that runs. */
export interface Running {
  readonly screen: Screen;
  /** True when it ended by itself. */
  readonly ended: () => boolean;
  readonly leave: () => Promise<void>;
}

/** The user of Debian without any rights: for players that refuse to be run by root. */
const NOBODY = 65_534;

/** Version of an installed program; `null` where it is not installed. */
export function versionOf(program: Program): string | null {
  const { args, pattern } = program.version;
  const { error, stdout } = spawnSync(program.command, [...args], {
    encoding: 'utf8',
    timeout: 10_000,
    ...asOrdinaryUser(program),
  });
  return error ? null : (pattern.exec(stdout)?.[1] ?? 'unknown');
}

export function runProgram(program: Program, url: string): Running {
  const screen = new Screen();
  const home = mkdtempSync(join(tmpdir(), 'player-'));
  const user = asOrdinaryUser(program);
  if ('uid' in user) chownSync(home, NOBODY, NOBODY);
  const child = spawn(program.command, [...program.args(url)], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], HOME: home },
    ...user,
  });
  readPictures(program, child, screen);
  const asking = program.ask === undefined ? undefined : setInterval(ask, ASK_MS);
  let ended = false;
  child.once('exit', () => (ended = true));
  child.stdin.on('error', () => undefined);
  function ask(): void {
    child.stdin.write(program.ask);
  }
  return {
    screen,
    ended: () => ended,
    leave: async () => {
      clearInterval(asking);
      if (!ended) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      rmSync(home, { recursive: true, force: true });
    },
  };
}

function readPictures(program: Program, child: ChildProcess, screen: Screen): void {
  const { count } = program;
  const { stdout, stderr } = child;
  if (count === undefined) {
    const pictures = new PictureCount();
    stdout?.on('data', (bytes: Buffer) => screen.show(pictures.push(bytes)));
    stderr?.resume();
    return;
  }
  for (const input of [stdout, stderr]) {
    if (input === null) continue;
    createInterface({ input }).on('line', (line) => screen.show(count(line, screen.frames)));
  }
}

function asOrdinaryUser(program: Program): { uid: number; gid: number } | Record<string, never> {
  const refused = program.refusesRoot === true && process.getuid?.() === 0;
  return refused ? { uid: NOBODY, gid: NOBODY } : {};
}
