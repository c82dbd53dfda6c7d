import { PID_COUNT } from '../../shared/mpegts/packet.js';
import type { Tables } from '../contracts.js';

/** What the chunker reads a packet for. */
export const Role = { None: 0, Tables: 1, Video: 2, Audio: 3 } as const;
export type Role = (typeof Role)[keyof typeof Role];

/** Which PID is read for what: looked up for every packet. */
export class PacketRoles {
  readonly #roles = new Uint8Array(PID_COUNT);

  of(pid: number): Role {
    return (this.#roles[pid] ?? Role.None) as Role;
  }

  /** `tablePids` carry PAT and PMTs; the first audio of `tables` stands for all. */
  assign(tables: Tables | null, tablePids: readonly number[]): void {
    this.#roles.fill(Role.None);
    const audioPid = tables?.audioPids[0];
    const videoPid = tables?.videoPid ?? null;
    if (audioPid !== undefined) this.#roles[audioPid] = Role.Audio;
    if (videoPid !== null) this.#roles[videoPid] = Role.Video;
    for (const pid of tablePids) this.#roles[pid] = Role.Tables;
  }
}
