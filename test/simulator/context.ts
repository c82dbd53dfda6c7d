import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { ContentState, Feed } from './feed.js';
import type { RequestHead } from './http-wire.js';
import type { KnobBoard } from './knobs.js';
import type { SeededRandom } from './random.js';
import type { Session, SessionTable } from './session-table.js';
import type { Witness } from './witness.js';

/** One client connection of the engine. */
export interface Connection {
  socket: Socket;
  remoteIp: string;
  /** Aborted when the client left or the engine cut the connection. */
  gone: AbortSignal;
  /** A frozen engine accepts and answers nothing. */
  frozen: () => boolean;
}

export interface ContentRecord extends ContentState {
  starts: number;
  openings: number;
}

/** What the routes share of an engine. */
export interface EngineContext {
  readonly board: KnobBoard;
  readonly table: SessionTable;
  readonly witness: Witness;
  readonly random: SeededRandom;
  /** `host:port` of the engine, and of the listener that stands for somebody else's host. */
  readonly address: string;
  readonly trapAddress: string;
  readonly frozen: boolean;
  /** Changes when the engine is stopped or restarted: work of an earlier life is dropped. */
  readonly life: number;
  content(hex: string): ContentRecord;
  /** Infohash of a content id, and back. */
  infohashOf(contentId: string): string;
  contentOf(infohash: string): string;
  feeds: Set<Feed>;
  /** Connections that hang on a session: held openings and readers. */
  attach(session: Session, connection: Connection): void;
  detach(session: Session, connection: Connection): void;
  attached(session: Session): readonly Connection[];
  serverHeader(): string;
}

export type Route = (
  engine: EngineContext,
  connection: Connection,
  head: RequestHead,
) => Promise<void>;

const FROZEN_POLL_MS = 10;

/** Waits `ms`, and longer while the engine is frozen; false when the client was gone before. */
export async function hold(connection: Connection, ms: number): Promise<boolean> {
  if (connection.gone.aborted) return false;
  try {
    await delay(ms, undefined, { signal: connection.gone });
    while (connection.frozen()) await delay(FROZEN_POLL_MS, undefined, { signal: connection.gone });
    return true;
  } catch {
    return false;
  }
}

/** Never answers; ends when the client leaves. */
export async function hang(connection: Connection): Promise<void> {
  const ONE_HOUR = 3_600_000;
  while (await hold(connection, ONE_HOUR));
}
