import { readFileSync } from 'node:fs';

/** Who a process is in the bill. */
export type Roles = Readonly<Record<string, readonly number[]>>;

/** Linux reports processor time in ticks of 1/100 s (USER_HZ), whatever the kernel's own clock. */
const TICKS_PER_SECOND = 100;
const PAGE_BYTES = 4_096;

/** utime + stime of one process in seconds; 0 for one that has ended. */
function processorSeconds(pid: number): number {
  try {
    const text = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return 0;
  }
}

/** Resident bytes of all these processes. */
export function residentBytes(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const pages = readFileSync(`/proc/${String(pid)}/statm`, 'utf8').split(' ')[1];
    return sum + Number(pages) * PAGE_BYTES;
  }, 0);
}

/** Processor time per role from the making of the meter on. */
export class CpuMeter {
  readonly #roles: Roles;
  readonly #before = new Map<number, number>();
  readonly #startedAt = performance.now();

  constructor(roles: Roles) {
    this.#roles = roles;
    for (const pid of Object.values(roles).flat()) this.#before.set(pid, processorSeconds(pid));
  }

  /** Cores in use on average, per role. */
  cores(): Record<string, number> {
    const seconds = (performance.now() - this.#startedAt) / 1_000;
    return Object.fromEntries(
      Object.entries(this.#roles).map(([role, pids]) => [
        role,
        pids.reduce((sum, pid) => sum + processorSeconds(pid) - (this.#before.get(pid) ?? 0), 0) /
          seconds,
      ]),
    );
  }
}

export function sum(cores: Readonly<Record<string, number>>): number {
  return Object.values(cores).reduce((total, each) => total + each, 0);
}
