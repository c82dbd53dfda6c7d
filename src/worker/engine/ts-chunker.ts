import {
  adaptationFlags,
  counterBefore,
  discontinuityPacket,
  hasUnitStart,
  headerAt,
  isScrambled,
  PACKET_SIZE,
  payloadStart,
  pidOf,
  RANDOM_ACCESS_INDICATOR,
} from '../../shared/mpegts/packet.js';
import { joinHead, spliceHead } from '../../shared/mpegts/splice.js';
import type { CutChunk, Tables } from '../contracts.js';
import type { LoopVerdict } from './loop-detector.js';
import { PacketQueue } from './packet-queue.js';
import { PacketRoles, Role } from './packet-roles.js';
import { KeyframeScanner, Verdict } from './ts-keyframe.js';
import { Continuity, TsMeter } from './ts-meter.js';
import { VideoCodec } from './ts-psi.js';
import { ChunkerPhase, statsOf, type TsStats } from './ts-stats.js';
import { TsSync } from './ts-sync.js';
import { TableTracker } from './ts-tables.js';
import { UnitWatch } from './ts-units.js';

export interface TsChunkerOptions {
  /** A chunk is cut at this many bytes at the latest; counted down to whole packets. */
  readonly chunkBytes: number;
  /** ms after which `flushDue` cuts what there is. */
  readonly flushMs: number;
  /** Monotonic ms. */
  readonly now: () => number;
  /** True when this source goes on where another one ended: the beginning is marked (spec 3.4). */
  readonly splice: boolean;
  /** ms and bytes from the tables on after which the stream begins without a keyframe. */
  readonly keyframeWaitMs?: number;
  readonly keyframeWaitBytes?: number;
  /** The source of another chunker goes on here; `splice` and the waits mean nothing then. */
  readonly continues?: Continuation;
}

/** What a chunker needs to know to go on in the middle of a source. */
export interface Continuation {
  /** Those that hold at the next packet. */
  readonly tables: Tables;
  /** Bytes that were received and not given out, one packet at most. */
  readonly rest: Buffer;
}

/** Everything that a chunker has given out, and what its successor needs. */
export interface Suspension extends Continuation {
  readonly chunks: readonly CutChunk[];
}

const KEYFRAME_WAIT_MS = 10_000;
const KEYFRAME_WAIT_BYTES = 32 * 1024 * 1024;
const NO_CANDIDATE = -1;

/**
 * Cuts the bytes of one source into chunks of whole packets and notes where players can join.
 * One per source: a new session or engine gets a new chunker, so no partial packet survives.
 *
 * A keyframe may show only in a later packet of its PES. Until it is decided the chunk is cut before
 * that PES, so a join never lies in a chunk that is already gone; the scanner's bound ends the wait.
 */
export class TsChunker {
  readonly #options: TsChunkerOptions;
  readonly #chunkBytes: number;
  readonly #sync: TsSync;
  readonly #meter = new TsMeter();
  readonly #tracker = new TableTracker();
  readonly #scanner = new KeyframeScanner();
  readonly #queue = new PacketQueue();
  readonly #roles = new PacketRoles();
  readonly #units = new UnitWatch();

  #phase: ChunkerPhase = ChunkerPhase.Tables;
  #tables: Tables | null = null;
  #waitingSince = 0;
  #packetsBeforeWait = 0;

  /** The run that is walked, and the offset in it up to which packets are queued. */
  #run: Buffer = Buffer.alloc(0);
  #queuedTo = 0;
  #now = 0;

  /** Of the chunk to be cut next: tables at its beginning, joins, age, splice mark. */
  #chunkTables: Tables | null = null;
  #joins: number[] = [];
  #pendingSince = 0;
  #splice: boolean;
  /** Offset in that chunk of a video PES that may prove to be a keyframe. */
  #candidate = NO_CANDIDATE;

  constructor(options: TsChunkerOptions) {
    const { continues } = options;
    this.#options = continues === undefined ? options : { ...options, splice: false };
    this.#chunkBytes = Math.max(1, Math.floor(options.chunkBytes / PACKET_SIZE)) * PACKET_SIZE;
    this.#splice = this.#options.splice;
    this.#sync = new TsSync(continues?.rest);
    if (continues !== undefined) this.#resume(continues.tables);
    this.#roles.assign(this.#tables, this.#tracker.pids);
  }

  get stats(): TsStats {
    return statsOf(this.#phase, this.#tables, {
      meter: this.#meter,
      sync: this.#sync,
      units: this.#units,
    });
  }

  /** No packets in the last 64 KiB (spec 3.4). Cheap enough to be asked after every push. */
  get garbage(): boolean {
    return this.#sync.garbage;
  }

  /** Whether the source plays old media; `liveFrozen`: its engine's live position stands still. */
  loop(liveFrozen: boolean): LoopVerdict {
    return this.#units.loop(liveFrozen);
  }

  /**
   * When `flushDue` has something to cut, in the caller's `now`; `null` until the next push when
   * nothing waits, or only a PES that more bytes must decide.
   */
  get flushAt(): number | null {
    const waits = this.#queue.length > 0 && this.#candidate !== 0;
    return waits && this.#phase === ChunkerPhase.Running
      ? this.#pendingSince + this.#options.flushMs
      : null;
  }

  /** Takes bytes cut anywhere; they must not change afterwards, chunks may be slices of them. */
  push(bytes: Buffer): CutChunk[] {
    this.#now = this.#options.now();
    return this.#walk(this.#sync.push(bytes));
  }

  /** The chunk whose oldest byte is older than `flushMs` or will be in `earlyMs`; `null` when none is. */
  flushDue(earlyMs = 0): CutChunk | null {
    const flushAt = this.flushAt;
    this.#now = this.#options.now();
    if (flushAt === null || this.#now < flushAt - earlyMs) return null;
    return this.#cut();
  }

  /** What is left when the source has ended, an incomplete packet excepted. */
  end(): CutChunk[] {
    this.#now = this.#options.now();
    const chunks = this.#walk(this.#sync.end());
    this.#dropCandidate();
    if (this.flushAt !== null) chunks.push(this.#cut());
    return chunks;
  }

  /**
   * Cuts everything that is whole, so that a chunker made with `continues` gives out the packets
   * behind it; a keyframe that was not decided yet is no join. This chunker is not to be used any
   * more. `null` before the first keyframe and without a grid: nothing has changed then, and the
   * source has to be opened anew.
   */
  suspend(): Suspension | null {
    const rest = this.#sync.rest;
    if (this.#phase !== ChunkerPhase.Running || rest === null || this.#tables === null) return null;
    this.#now = this.#options.now();
    this.#dropCandidate();
    const chunks = this.#queue.length > 0 ? [this.#cut()] : [];
    return { chunks, tables: this.#tables, rest };
  }

  /** Everything but the position in a PES is known from the tables. */
  #resume(tables: Tables): void {
    this.#tracker.prime(tables.packets);
    this.#tables = tables;
    this.#chunkTables = tables;
    this.#meter.follow(tables.pcrPid);
    this.#phase = ChunkerPhase.Running;
  }

  #walk(runs: Buffer[]): CutChunk[] {
    const chunks: CutChunk[] = [];
    this.#meter.arrivedAt = this.#now;
    for (const run of runs) {
      this.#run = run;
      this.#queuedTo = 0;
      for (let at = this.#passPlain(0); at < run.length; at = this.#passPlain(at + PACKET_SIZE)) {
        this.#take(at, chunks);
      }
      this.#queueTo(run.length);
    }
    return chunks;
  }

  /**
   * Most packets lie in the middle of a picture that is known for what it is: nothing is to be read in
   * them, nor to be cut. Returns where the first other packet from `at` on begins.
   */
  #passPlain(at: number): number {
    const videoPid = this.#tables?.videoPid ?? null;
    if (videoPid === null || this.#candidate !== NO_CANDIDATE) return at;
    const full = this.#queuedTo + this.#chunkBytes - this.#queue.length - PACKET_SIZE;
    return this.#meter.passPlain(this.#run, at, Math.min(this.#run.length, full), videoPid);
  }

  #take(at: number, chunks: CutChunk[]): void {
    const header = headerAt(this.#run, at);
    const continuity = this.#meter.observe(this.#run, at, header);
    if (continuity === Continuity.First) this.#markFirst(at, header);
    const role = this.#roles.of(pidOf(header));
    // A repeated packet would be read twice, unless it begins a unit: then reading starts over.
    if (role !== Role.None && (continuity !== Continuity.Duplicate || hasUnitStart(header))) {
      if (role === Role.Video) this.#inspectVideo(at, header);
      else if (role === Role.Audio) this.#inspectAudio(at, header);
      else this.#inspectTables(at, header, chunks);
    }
    if (this.#offsetOf(at) + PACKET_SIZE >= this.#chunkBytes) this.#fill(at + PACKET_SIZE, chunks);
  }

  /** The beginning marks the PIDs known there; one that shows up later is marked when it does. */
  #markFirst(at: number, header: number): void {
    if (!this.#options.splice || this.#phase !== ChunkerPhase.Running) return;
    this.#queueTo(at);
    this.#queue.push(discontinuityPacket(pidOf(header), counterBefore(header)));
  }

  #inspectTables(at: number, header: number, chunks: CutChunk[]): void {
    if (!this.#tracker.push(this.#run, at, header)) return;
    const tables = this.#tracker.tables;
    const isNew = tables?.name !== this.#tables?.name;
    if (tables !== null) this.#tables = tables;
    this.#roles.assign(this.#tables, this.#tracker.pids);
    if (tables === null || !isNew) return;
    this.#dropCandidate();
    this.#meter.follow(tables.pcrPid);
    if (this.#phase === ChunkerPhase.Running) {
      this.#queueTo(at + PACKET_SIZE);
      chunks.push(this.#cut());
      return;
    }
    if (this.#phase === ChunkerPhase.Tables) this.#enterKeyframe();
    if (tables.videoPid === null && tables.audioPids.length === 0) {
      this.#queuedTo = at + PACKET_SIZE;
      this.#enterRunning(tables, false);
    }
  }

  #inspectVideo(at: number, header: number): void {
    const end = at + PACKET_SIZE;
    if (hasUnitStart(header)) {
      this.#units.video(this.#run, payloadStart(this.#run, at, header), end);
      this.#dropCandidate();
      this.#openCandidate(at);
      if ((adaptationFlags(this.#run, at, header) & RANDOM_ACCESS_INDICATOR) !== 0) {
        this.#acceptCandidate(at, true);
        return;
      }
      const codec = this.#tracker.videoCodec ?? VideoCodec.Opaque;
      this.#scanner.begin(isScrambled(header) ? VideoCodec.Opaque : codec);
    }
    if (this.#candidate === NO_CANDIDATE) return;
    const verdict = this.#scanner.push(this.#run, payloadStart(this.#run, at, header), end);
    if (verdict === Verdict.Keyframe) this.#acceptCandidate(at, true);
    else if (this.#waitIsOver()) this.#acceptCandidate(at, false);
    else if (verdict === Verdict.Other) this.#dropCandidate();
  }

  #inspectAudio(at: number, header: number): void {
    if (!hasUnitStart(header)) return;
    const videoPid = this.#tables?.videoPid ?? null;
    const isRadio = videoPid === null;
    const end = at + PACKET_SIZE;
    this.#units.audio(this.#run, payloadStart(this.#run, at, header), end, isRadio);
    if (this.#phase === ChunkerPhase.Running) {
      if (isRadio && this.#joins.length === 0) this.#joins.push(this.#offsetOf(at));
    } else if (isRadio || (this.#waitIsOver() && !this.#meter.hasSeen(videoPid))) {
      this.#openCandidate(at);
      this.#acceptCandidate(at, isRadio);
    }
  }

  #waitIsOver(): boolean {
    if (this.#phase !== ChunkerPhase.Keyframe) return false;
    const { keyframeWaitMs = KEYFRAME_WAIT_MS, keyframeWaitBytes = KEYFRAME_WAIT_BYTES } =
      this.#options;
    const waited = this.#now - this.#waitingSince;
    const bytes = (this.#meter.packets - this.#packetsBeforeWait) * PACKET_SIZE;
    return waited >= keyframeWaitMs || bytes >= keyframeWaitBytes;
  }

  #openCandidate(at: number): void {
    if (this.#phase !== ChunkerPhase.Running) {
      this.#queue.clear();
      this.#queuedTo = at;
    }
    this.#candidate = this.#offsetOf(at);
  }

  #dropCandidate(): void {
    this.#candidate = NO_CANDIDATE;
    if (this.#phase !== ChunkerPhase.Running) this.#queue.clear();
  }

  /** The PES is decided at the packet at `at`: a join, and before the beginning also the first. */
  #acceptCandidate(at: number, isJoin: boolean): void {
    if (isJoin) this.#units.keyframe();
    if (this.#phase !== ChunkerPhase.Running) {
      this.#queueTo(at + PACKET_SIZE);
      if (this.#tables !== null) this.#enterRunning(this.#tables, isJoin);
      return;
    }
    if (isJoin) this.#joins.push(this.#candidate);
    this.#candidate = NO_CANDIDATE;
  }

  #enterKeyframe(): void {
    this.#phase = ChunkerPhase.Keyframe;
    this.#waitingSince = this.#now;
    this.#packetsBeforeWait = this.#meter.packets;
  }

  /** Puts PAT and PMT before what the queue holds, so that the first chunk plays by itself. */
  #enterRunning(tables: Tables, isJoin: boolean): void {
    const held = this.#queue.take(this.#queue.length);
    const earlier = this.#meter.counters();
    const { head, from } = this.#options.splice
      ? spliceHead(tables, held, 0, earlier)
      : { head: joinHead(tables, held, 0, earlier), from: 0 };
    this.#queue.push(head);
    this.#queue.push(held.subarray(from));
    this.#phase = ChunkerPhase.Running;
    this.#candidate = NO_CANDIDATE;
    this.#chunkTables = tables;
    this.#joins = isJoin ? [head.length - from] : [];
    this.#pendingSince = this.#now;
  }

  #offsetOf(at: number): number {
    return this.#queue.length + at - this.#queuedTo;
  }

  #queueTo(end: number): void {
    if (this.#phase === ChunkerPhase.Running || this.#candidate !== NO_CANDIDATE) {
      if (this.#queue.length === 0) this.#pendingSince = this.#now;
      this.#queue.push(this.#run.subarray(this.#queuedTo, end));
    }
    this.#queuedTo = end;
  }

  #fill(end: number, chunks: CutChunk[]): void {
    // A PES that fills a whole chunk undecided, other PIDs between its packets, is given up.
    if (this.#candidate === 0 || this.#phase !== ChunkerPhase.Running) this.#dropCandidate();
    this.#queueTo(end);
    if (this.#phase === ChunkerPhase.Running) chunks.push(this.#cut());
  }

  #cut(): CutChunk {
    const size = this.#candidate === NO_CANDIDATE ? this.#queue.length : this.#candidate;
    const chunk: CutChunk = {
      bytes: this.#queue.take(size),
      joins: this.#joins,
      tables: this.#chunkTables,
      splice: this.#splice,
    };
    this.#joins = [];
    this.#splice = false;
    this.#chunkTables = this.#tables;
    this.#pendingSince = this.#now;
    if (this.#candidate !== NO_CANDIDATE) this.#candidate = 0;
    return chunk;
  }
}
