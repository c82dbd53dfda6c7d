import { readdirSync, readlinkSync } from 'node:fs';

/** Open sockets of a process, by the links in /proc/<pid>/fd; 0 for one that has ended. */
export function openSockets(pid: number): number {
  const directory = `/proc/${String(pid)}/fd`;
  try {
    return readdirSync(directory).filter((name) => isSocket(`${directory}/${name}`)).length;
  } catch {
    return 0;
  }
}

function isSocket(path: string): boolean {
  try {
    return readlinkSync(path).startsWith('socket:');
  } catch {
    // Closed since the directory was read.
    return false;
  }
}
