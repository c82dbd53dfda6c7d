import type { Clock } from '../../shared/clock.js';
import type { Settings } from '../../shared/config/settings.js';
import type { WorkerId } from '../../shared/ids.js';
import type { EngineRecord } from '../../shared/redis/engine-records.js';
import type { OwnerStore, Ownership } from '../../shared/redis/owner-store.js';
import type { RingStore } from '../../shared/redis/ring-store.js';
import type { RingFill } from '../../shared/ring-memory.js';
import type { ContentSelector, MovableReader } from '../contracts.js';
import type { EnginePool } from '../engine/engine-pool.js';
import { stopSession } from '../engine/stop-session.js';
import type { Continuation } from '../engine/ts-chunker.js';
import type { Inherited } from '../owner/engine-runner.js';
import { OwnerLoop } from '../owner/owner-loop.js';
import { sessionFromFields } from '../owner/stream-record.js';
import { fromWire } from '../ring/ring-marks.js';
import { decodeTables } from '../ring/tables-codec.js';
import { PoolSlots } from './pool-slots.js';
import type { StreamMetrics } from './stream-metrics.js';
import type { StreamSession } from './stream-session.js';

export interface OwnerFactoryDeps {
  readonly worker: WorkerId;
  readonly settings: Settings;
  readonly owners: OwnerStore;
  readonly ring: RingStore;
  readonly pool: EnginePool;
  readonly metrics: StreamMetrics;
  readonly clock: Clock;
  readonly onLateAnswer: (work: Promise<void>) => void;
}

/**
 * Makes the loop for a stream that this worker has just won. When an owner before left something
 * behind, the ring's numbering goes on and its engine session is tried first (spec 3.5).
 */
export async function makeOwner(
  deps: OwnerFactoryDeps,
  session: StreamSession,
  ownership: Ownership,
  handedOver: MovableReader | null,
): Promise<OwnerLoop> {
  const { worker, settings, owners, ring, pool, metrics, clock } = deps;
  const selector: ContentSelector = { stream: session.stream, keyType: session.keyType };
  const fields = await owners.readMetadata(session.stream);
  await continueRing(deps, session);
  const slots = new PoolSlots({
    pool,
    owners,
    ownership,
    maxStreams: settings.maxStreams,
    totalBytes: settings.bufferTotalBytes,
    spread: settings.redis.cluster.length > 0,
    bounds: { maxBytes: settings.bufferMaxBytes, ttlMs: settings.bufferTtlMs },
    ring: () => fillOf(session),
    plays: () => session.feed.head > 0,
    clock,
  });
  const rememberedKind = await owners.kind(session.stream);
  // Last, because it takes a slot that nobody would give back if a later step failed.
  const inherited = await inherit(fields, selector, slots);
  const moved = inherited && moveOf(fields, session, handedOver);
  if (moved === null) await handedOver?.close();
  return new OwnerLoop({
    ownership,
    worker,
    selector,
    rememberedKind,
    inheritedFields: fields,
    inherited: inherited && { ...inherited, reader: moved?.reader ?? null },
    continues: moved?.continues ?? null,
    settings,
    ownerStore: owners,
    ringStore: ring,
    slots,
    feed: session.feed,
    localClients: () => session.clients.count,
    onEnding: (error) => session.end(error),
    clock,
    logger: session.logger.child({ term: ownership.term }),
    quality: metrics,
    onFault: (end) => metrics.engineFault(end.reason),
    onAppend: (bytes) => metrics.appended(bytes),
    onStarted: () => metrics.engineStarted(),
    onStopped: () => metrics.engineStopped(),
    onLateAnswer: deps.onLateAnswer,
  });
}

function fillOf({ feed }: StreamSession): RingFill {
  const marks = feed.marks();
  return { bytes: feed.bytes, spanMs: (marks.at(-1)?.at ?? 0) - (marks[0]?.at ?? 0) };
}

/** What Redis has of the ring and this worker has not read yet: the numbering goes on behind it. */
async function continueRing({ ring }: OwnerFactoryDeps, session: StreamSession): Promise<void> {
  const { feed } = session;
  const { head, marks: wire, tables } = await ring.snapshot(session.stream);
  const marks = wire.map(fromWire);
  if (feed.contradicts(head, marks)) feed.reset();
  if (head <= feed.head) return;
  for (const [name, text] of tables) feed.learnTables(decodeTables(name, text));
  feed.adopt(head, marks);
}

/** The engine's connection that another worker handed over, and where its bytes go on. */
function moveOf(
  fields: Readonly<Record<string, string>>,
  session: StreamSession,
  reader: MovableReader | null,
): { readonly reader: MovableReader; readonly continues: Continuation } | null {
  const { handover_rest: rest, handover_tables: name } = fields;
  const tables = session.feed.tables(name ?? '');
  if (reader === null || rest === undefined || tables === null) return null;
  return { reader, continues: { tables, rest: Buffer.from(rest, 'base64') } };
}

async function inherit(
  fields: Readonly<Record<string, string>>,
  selector: ContentSelector,
  slots: PoolSlots,
): Promise<Omit<Inherited, 'reader'> | null> {
  const left = sessionFromFields(fields, selector);
  if (left === null) return null;
  if (fields['previous_owner']) {
    // Its lock ran out and it may still read: a second reader breaks the session (engine-api 3.4).
    await stopSession(left);
    if (fields['engine_lease']) await slots.release(fields['engine_lease']);
    return null;
  }
  const engine: EngineRecord = {
    ...left.engine,
    source: '',
    draining: false,
    withheld: false,
    containerId: fields['container_id'] ?? null,
  };
  const slot = await slots.inherit(engine, fields['engine_lease'] ?? '');
  return { session: left, slot };
}
