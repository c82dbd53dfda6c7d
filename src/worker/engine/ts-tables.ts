import { createHash } from 'node:crypto';

import {
  hasUnitStart,
  headerAt,
  PACKET_SIZE,
  PAT_PID,
  payloadStart,
  pidOf,
} from '../../shared/mpegts/packet.js';
import type { Tables } from '../contracts.js';
import type { Pat, Pmt, VideoCodec } from './ts-psi.js';
import { packetize, parsePat, parsePmt, SectionAssembler } from './ts-psi.js';

interface KnownPmt {
  readonly pid: number;
  readonly section: Buffer;
  readonly pmt: Pmt;
}

/** Follows PAT and PMTs through a source and says when the tables a player needs are new. */
export class TableTracker {
  #tables: Tables | null = null;
  #videoCodec: VideoCodec | null = null;
  readonly #assemblers = new Map<number, SectionAssembler>([[PAT_PID, new SectionAssembler()]]);
  #patSections: Buffer[] = [];
  #patVersion = -1;
  #programs: Pat['programs'] = [];
  #pmts = new Map<number, KnownPmt>();
  #sawRepeat = false;

  get tables(): Tables | null {
    return this.#tables;
  }

  /** How to scan `tables.videoPid`. */
  get videoCodec(): VideoCodec | null {
    return this.#videoCodec;
  }

  /** PIDs whose packets this tracker wants: the PAT's and every PMT's that the PAT names. */
  get pids(): number[] {
    return [...this.#assemblers.keys()];
  }

  /** Takes a packet of one of `pids`; true when `pids` or `tables` may have changed. */
  push(bytes: Buffer, at: number, header: number): boolean {
    const pid = pidOf(header);
    const payload = bytes.subarray(payloadStart(bytes, at, header), at + PACKET_SIZE);
    const sections = this.#assemblers.get(pid)?.push(payload, hasUnitStart(header));
    let changed = false;
    for (const section of sections ?? []) {
      const taken = pid === PAT_PID ? this.#takePat(section) : this.#takePmt(pid, section);
      changed = taken || changed;
    }
    if (changed) this.#rebuild();
    return changed;
  }

  /** Learns `Tables.packets` of a source that goes on, so that the same tables are nothing new. */
  prime(packets: Buffer): void {
    // Twice: a PMT that the PAT names may not be among them, which the repetition tells.
    for (const bytes of [packets, packets]) {
      for (let at = 0; at < bytes.length; at += PACKET_SIZE) {
        const header = headerAt(bytes, at);
        if (this.#assemblers.has(pidOf(header))) this.push(bytes, at, header);
      }
    }
  }

  #takePat(section: Buffer): boolean {
    const pat = parsePat(section);
    if (pat === null || this.#patSections[pat.sectionNumber]?.equals(section) === true)
      return false;
    const known = this.#patSections[pat.sectionNumber] !== undefined;
    if (pat.version !== this.#patVersion || known) this.#patSections = [];
    this.#patVersion = pat.version;
    this.#patSections[pat.sectionNumber] = Buffer.from(section);
    for (let number = 0; number <= pat.lastSectionNumber; number += 1) {
      if (this.#patSections[number] === undefined) return false;
    }
    this.#patSections.length = pat.lastSectionNumber + 1;
    this.#adoptPrograms(this.#patSections.flatMap((part) => parsePat(part)?.programs ?? []));
    return true;
  }

  #adoptPrograms(programs: Pat['programs']): void {
    this.#programs = programs;
    this.#sawRepeat = false;
    const listed = new Map(programs.map(({ program, pid }) => [program, pid]));
    for (const [program, { pid }] of this.#pmts) {
      if (listed.get(program) !== pid) this.#pmts.delete(program);
    }
    const pids = new Set(programs.map(({ pid }) => pid));
    for (const pid of this.#assemblers.keys()) {
      if (pid !== PAT_PID && !pids.has(pid)) this.#assemblers.delete(pid);
    }
    for (const pid of pids) {
      if (!this.#assemblers.has(pid)) this.#assemblers.set(pid, new SectionAssembler());
    }
  }

  #takePmt(pid: number, section: Buffer): boolean {
    const pmt = parsePmt(section);
    if (pmt === null) return false;
    if (!this.#programs.some((entry) => entry.program === pmt.program && entry.pid === pid)) {
      return false;
    }
    if (this.#pmts.get(pmt.program)?.section.equals(section) === true) {
      const news = !this.#isComplete();
      this.#sawRepeat = true;
      return news;
    }
    this.#pmts.set(pmt.program, { pid, section: Buffer.from(section), pmt });
    return true;
  }

  /**
   * All PMTs that the PAT names are known, or one came round again: remuxers leave programs out of
   * the stream but in the PAT, and waiting for those would mean waiting for ever.
   */
  #isComplete(): boolean {
    return (
      this.#sawRepeat || this.#pmts.size === new Set(this.#programs.map((p) => p.program)).size
    );
  }

  #rebuild(): void {
    const known = this.#programs.flatMap(({ program }) => this.#pmts.get(program) ?? []);
    const chosen = known.find(({ pmt }) => pmt.video !== null) ?? known[0];
    if (chosen === undefined || !this.#isComplete()) return;
    const packets = Buffer.concat([
      ...this.#patSections.map((section) => packetize(section, PAT_PID)),
      ...known.map(({ section, pid }) => packetize(section, pid)),
    ]);
    const name = createHash('sha256').update(packets).digest('hex').slice(0, 16);
    if (name === this.#tables?.name) return;
    this.#videoCodec = chosen.pmt.video?.codec ?? null;
    this.#tables = {
      packets,
      pmtPids: [...new Set(known.map(({ pid }) => pid))],
      videoPid: chosen.pmt.video?.pid ?? null,
      audioPids: chosen.pmt.audioPids,
      pcrPid: chosen.pmt.pcrPid,
      name,
    };
  }
}
