import { readFileSync } from 'node:fs';

/**
 * True when the process was stopped by a signal or a debugger: it runs nothing until somebody lets it
 * go on. From /proc (proc(5): state `T` or `t`); false where there is none.
 */
export function isStopped(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${String(pid)}/stat`, 'latin1');
    // The name before it may hold spaces and parentheses.
    return /^[Tt]/.test(stat.slice(stat.lastIndexOf(')') + 2));
  } catch {
    return false;
  }
}
