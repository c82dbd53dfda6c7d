import type { Socket } from 'node:net';
import type { EngineAddress } from '../shared/config/settings.js';
import type { KeyType, StreamId } from '../shared/ids.js';

/**
 * What the five folders promise to each other. Types only: everybody may import this file.
 */

/** PAT and PMT as they stood where a chunk begins, and what a joiner must know of them. */
export interface Tables {
  /** The PAT packet(s), then the PMT packet(s): whole 188-byte packets with the engine's sections. */
  readonly packets: Buffer;
  readonly pmtPids: readonly number[];
  /** PID whose random access points count; `null` for radio. */
  readonly videoPid: number | null;
  readonly audioPids: readonly number[];
  readonly pcrPid: number;
  /** Short hash of `packets`: equal tables have equal names. */
  readonly name: string;
}

/** What the chunker cuts: whole packets and what it learnt while it looked at them. */
export interface CutChunk {
  readonly bytes: Buffer;
  /** Byte offsets of packets where a decoder can begin: keyframes, or audio starts on radio. */
  readonly joins: readonly number[];
  /** Tables that hold at the first packet of this chunk; `null` before the first PMT. */
  readonly tables: Tables | null;
  /** True when these bytes do not continue the chunk before (new source): discontinuity is marked. */
  readonly splice: boolean;
}

/** A chunk with its place in the ring. */
export interface Chunk extends CutChunk {
  readonly index: number;
  readonly term: number;
  /** Wall-clock ms at which the owner cut it. */
  readonly at: number;
}

/** What is remembered of a chunk whose bytes may be in Redis only. */
export interface ChunkMark {
  readonly index: number;
  readonly term: number;
  readonly at: number;
  readonly size: number;
  readonly joins: readonly number[];
  /** `Tables.name`, or `null`. */
  readonly tables: string | null;
  readonly splice: boolean;
}

/** What an engine is asked for. */
export interface ContentSelector {
  readonly stream: StreamId;
  readonly keyType: KeyType;
}

/** A started engine session. Paths carry path and query only: the host is the engine's (3.7). */
export interface EngineSession {
  readonly engine: EngineAddress;
  readonly selector: ContentSelector;
  /** The kind that the engine accepted. */
  readonly acceptedAs: 'content_id' | 'infohash';
  readonly pid: string;
  readonly playbackSessionId: string;
  readonly playbackPath: string;
  readonly statPath: string | null;
  readonly commandPath: string | null;
  readonly infohash: string | null;
  readonly isLive: boolean;
  readonly isEncrypted: boolean;
}

/** One answer of the stat URL; every field is optional on the wire. */
export interface EngineStat {
  readonly status: string | null;
  readonly peers: number | null;
  readonly speedDown: number | null;
  readonly speedUp: number | null;
  readonly downloaded: number | null;
  readonly uploaded: number | null;
  readonly progress: number | null;
  /** Unix s of the newest piece that the engine knows of (`livepos.live_last`); `null` on files. */
  readonly liveLast: number | null;
}

/** engine-api 2.5: what a failure says about content and engine decides who is asked next. */
export const EngineFaultKind = {
  /** Definitive for this content: another engine will say the same. */
  Content: 'content',
  /** Somebody else uses this engine for the same content. */
  Conflict: 'conflict',
  /** The engine is unfit: refused, 500, HTML, licence, access. */
  Engine: 'engine',
  /** The session is gone or never delivered; a new one may work. */
  Session: 'session',
  /** Time ran out without progress. */
  Timeout: 'timeout',
} as const;
export type EngineFaultKind = (typeof EngineFaultKind)[keyof typeof EngineFaultKind];

/** Why a reader of the engine's bytes ended: on live media every end is a fault. */
export interface EngineEnd {
  readonly kind: EngineFaultKind;
  /** `eof`, `reset`, `stall`, `garbage`, `http-500` …: a short word for logs and metrics. */
  readonly reason: string;
  readonly message: string;
}

/** One open reader on the playback URL. At most one exists per session. */
export interface EngineReader {
  /** Set once, in the same tick in which the reader was handed out. */
  start(handlers: {
    readonly onData: (bytes: Buffer) => void;
    readonly onEnd: (end: EngineEnd) => void;
  }): void;
  /** Closes the socket; `onEnd` is not called after it. Resolves when the socket is gone. */
  close(): Promise<void>;
}

/** A reader whose connection can move to another worker in the middle of the media (spec 3.8). */
export interface MovableReader extends EngineReader {
  /**
   * Gives the connection up. What was read goes to `onData` within this call; no handler is called
   * after it, and `close` does nothing any more. The socket does not read and carries media only.
   * `null`, and the reader goes on, when it cannot move: the other worker has to open its own.
   */
  release(): Socket | null;
}

/** What a client reads from: the ring as far as this worker knows it (owner and follower alike). */
export interface ChunkSource {
  /** Newest index; 0 while the ring is empty. */
  readonly head: number;
  /** Raised when the ring was begun anew: no position of before means anything then. */
  readonly life: number;
  /** What is known of the chunks that can still be had, oldest first. */
  marks(): readonly ChunkMark[];
  /** The chunk, when its bytes are in this worker's memory. */
  peek(index: number): Chunk | null;
  /** The chunk from Redis, read once for all who ask; `null` when it is gone. */
  load(index: number): Promise<Chunk | null>;
  tables(name: string): Tables | null;
}
