import {
  adaptationFlags,
  counterBefore,
  counterOf,
  discontinuityPacket,
  DISCONTINUITY_INDICATOR,
  hasAdaptationField,
  headerAt,
  NULL_PID,
  PACKET_SIZE,
  pidOf,
  setCounter,
} from './packet.js';

/** Whole packets of the PAT and of every PMT; the worker's `Tables` has them. */
export interface TablePackets {
  readonly packets: Buffer;
}

/** What to write before a chunk's bytes from `from` on, which follow untouched. */
export interface SpliceHead {
  readonly head: Buffer;
  readonly from: number;
}

/** Continuity counters of the last packet on each PID before some point of the stream. */
export type Counters = ReadonlyMap<number, number>;

/** Sync byte, PID 0x1FFF, payload only, counter 0: the counter of null packets means nothing. */
const NULL_HEADER = 0x471fff10;

const NO_COUNTERS: Counters = new Map();

/**
 * PAT and PMT for a player's first join at the packet at `offset` of a chunk. Their continuity
 * counters are those that the tables which follow in the stream continue. `earlier` answers for
 * PIDs that `bytes` lacks, where the caller has seen what came before.
 */
export function joinHead(
  tables: TablePackets,
  bytes: Buffer,
  offset: number,
  earlier: Counters = NO_COUNTERS,
): Buffer {
  const wanted = new Set(packetsOf(tables.packets).map((packet) => pidOf(headerAt(packet, 0))));
  const counters = countersBefore(bytes, offset, wanted);
  return Buffer.concat(tablePackets(tables, new Map([...earlier, ...counters]), false));
}

/**
 * What a player gets that was somewhere else in the stream and resumes at the packet at `offset`
 * of a chunk (spec 3.3 and 3.4): PAT and PMT, and a discontinuity mark on every PID whose next
 * counter the chunk tells. The join packet carries the mark itself where it has a flags byte.
 *
 * A PID that has no packet in the whole chunk stays unmarked: its next counter is unknown, and a
 * mark with a wrong counter only moves the jump to the packet after it. The tables' PIDs are marked
 * too, since a demuxer drops a PAT whose counter happens to be that of the last one as a duplicate.
 *
 * `earlier` as in `joinHead`.
 */
export function spliceHead(
  tables: TablePackets,
  bytes: Buffer,
  offset: number,
  earlier: Counters = NO_COUNTERS,
): SpliceHead {
  const counters = new Map([...earlier, ...countersBefore(bytes, offset, null)]);
  const parts = tablePackets(tables, counters, true);
  const done = new Set([NULL_PID, ...parts.map((packet) => pidOf(headerAt(packet, 0)))]);
  const joinPid = offset < bytes.length ? pidOf(headerAt(bytes, offset)) : NULL_PID;
  for (const [pid, counter] of counters) {
    if (!done.has(pid) && pid !== joinPid) parts.push(discontinuityPacket(pid, counter));
  }
  if (joinPid === NULL_PID || done.has(joinPid))
    return { head: Buffer.concat(parts), from: offset };

  const marked = markedPacket(bytes, offset);
  parts.push(marked ?? discontinuityPacket(joinPid, counterBefore(headerAt(bytes, offset))));
  return { head: Buffer.concat(parts), from: marked === null ? offset : offset + PACKET_SIZE };
}

/** A marked copy of the packet at `at`; `null` when it has no flags byte to set the mark in. */
function markedPacket(bytes: Buffer, at: number): Buffer | null {
  if (!hasAdaptationField(headerAt(bytes, at)) || bytes[at + 4] === 0) return null;
  const packet = Buffer.from(bytes.subarray(at, at + PACKET_SIZE));
  packet[5] = adaptationFlags(packet, 0, headerAt(packet, 0)) | DISCONTINUITY_INDICATOR;
  return packet;
}

/** Copies of the table packets with counters that the stream continues, each PID marked if asked. */
function tablePackets(tables: TablePackets, counters: Counters, mark: boolean): Buffer[] {
  const byPid = new Map<number, Buffer[]>();
  for (const packet of packetsOf(tables.packets)) {
    const pid = pidOf(headerAt(packet, 0));
    const packets = byPid.get(pid) ?? [];
    packets.push(Buffer.from(packet));
    byPid.set(pid, packets);
  }
  const result: Buffer[] = [];
  for (const [pid, packets] of byPid) {
    const last =
      counters.get(pid) ?? counterOf(headerAt(packets[packets.length - 1] ?? tables.packets, 0));
    const first = (last - packets.length + 1) & 0x0f;
    if (mark) result.push(discontinuityPacket(pid, first - 1));
    packets.forEach((packet, index) => {
      setCounter(packet, 0, first + index);
      result.push(packet);
    });
  }
  return result;
}

/**
 * For each PID (or each wanted one) the counter that its first packet from `offset` on continues;
 * for a PID that comes no more in `bytes`, the counter of its last packet before `offset`.
 */
function countersBefore(
  bytes: Buffer,
  offset: number,
  wanted: ReadonlySet<number> | null,
): Map<number, number> {
  const counters = new Map<number, number>();
  const note = (at: number, counter: (header: number) => number): boolean => {
    const header = headerAt(bytes, at);
    const pid = pidOf(header);
    if (pid !== NULL_PID && !counters.has(pid) && (wanted === null || wanted.has(pid))) {
      counters.set(pid, counter(header));
    }
    return counters.size === wanted?.size;
  };
  for (let at = offset; at + PACKET_SIZE <= bytes.length; at += PACKET_SIZE) {
    if (note(at, counterBefore)) return counters;
  }
  for (let at = offset - PACKET_SIZE; at >= 0; at -= PACKET_SIZE) {
    if (note(at, counterOf)) return counters;
  }
  return counters;
}

function packetsOf(bytes: Buffer): Buffer[] {
  const packets: Buffer[] = [];
  for (let at = 0; at + PACKET_SIZE <= bytes.length; at += PACKET_SIZE) {
    packets.push(bytes.subarray(at, at + PACKET_SIZE));
  }
  return packets;
}

/** `count` null packets: what keeps a player on the line without telling it anything. */
export function nullPackets(count: number): Buffer {
  const packet = Buffer.alloc(PACKET_SIZE, 0xff);
  packet.writeUInt32BE(NULL_HEADER);
  return Buffer.alloc(count * PACKET_SIZE, packet);
}
