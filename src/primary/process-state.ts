import { readFileSync } from 'node:fs';

/** What the system knows of the main thread of a process, where the event loop runs. */
export interface ThreadSight {
  /** Stopped by a signal or a debugger: it runs nothing until somebody lets it go on. */
  readonly stopped: boolean;
  /** ms of processor time it has had in its life. */
  readonly cpuMs: number;
  /** ms in which it was ready to run and others had the processors; `null` where the kernel does not count them. */
  readonly waitedMs: number | null;
}

/** Ticks of `/proc` are hundredths of a second wherever Node runs (`USER_HZ`). */
const TICK_MS = 10;
const NS_PER_MS = 1e6;

/** From /proc (proc(5)): state `T` or `t`, `utime` and `stime`. `null` where there is none. */
export function lookAtThread(pid: number): ThreadSight | null {
  const thread = `/proc/${String(pid)}/task/${String(pid)}`;
  try {
    const stat = readFileSync(`${thread}/stat`, 'latin1');
    // The name before it may hold spaces and parentheses; the state is field 3, the times 14 and 15.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const cpuMs = (Number(fields[11]) + Number(fields[12])) * TICK_MS;
    return { stopped: /^[Tt]$/.test(fields[0] ?? ''), cpuMs, waitedMs: waitedMs(thread) };
  } catch {
    return null;
  }
}

/** The second number of `schedstat`, ns (Documentation/scheduler/sched-stats in the kernel's source). */
function waitedMs(thread: string): number | null {
  try {
    const [, waitedNs] = readFileSync(`${thread}/schedstat`, 'latin1').split(' ');
    return Number(waitedNs) / NS_PER_MS;
  } catch {
    return null;
  }
}
