import { BROWSERS, openBrowser, runInBrowser } from './run-browser.js';
import type { Subject } from './lab.js';
import { PROGRAMS } from './programs.js';
import { runProgram, versionOf, type Running } from './run-program.js';

export interface Cast {
  readonly subjects: readonly Subject[];
  /** Players that are not installed here. */
  readonly missing: readonly string[];
  readonly close: () => Promise<void>;
}

/** The players of this machine whose names contain `only`. */
export async function castOf(only = ''): Promise<Cast> {
  const wanted = (name: string): boolean => name.toLowerCase().includes(only.toLowerCase());
  const subjects: Subject[] = [];
  const missing: string[] = [];
  for (const program of PROGRAMS.filter(({ name }) => wanted(name))) {
    const version = versionOf(program);
    const { name, seen, variant = false } = program;
    if (version === null) missing.push(name);
    else subjects.push({ name, version, seen, variant, start: (url) => runProgram(program, url) });
  }
  const browsers = BROWSERS.filter(({ name }) => wanted(name));
  const opened = browsers.length > 0 ? await openBrowser() : null;
  for (const { name, seen, again } of browsers) {
    if (opened === null) {
      missing.push(name);
      continue;
    }
    const { browser, version } = opened;
    const start = (url: string): Promise<Running> => runInBrowser(browser, url, again);
    subjects.push({ name, seen, version, variant: false, start });
  }
  return { subjects, missing, close: async () => opened?.browser.close() };
}
