import type { Clock } from '../../shared/clock.js';
import type { Settings } from '../../shared/config/settings.js';
import type { WorkerId } from '../../shared/ids.js';
import type { EngineRecord } from '../../shared/redis/engine-records.js';
import type { OwnerStore, Ownership } from '../../shared/redis/owner-store.js';
import type { RingStore } from '../../shared/redis/ring-store.js';
import type { ContentSelector } from '../contracts.js';
import type { EnginePool } from '../engine/engine-pool.js';
import type { Inherited } from '../owner/engine-runner.js';
import { OwnerLoop } from '../owner/owner-loop.js';
import { sessionFromFields } from '../owner/stream-record.js';
import { fromWire } from '../ring/ring-marks.js';
import { decodeTables } from '../ring/tables-codec.js';
import { PoolSlots } from './engine-slots.js';
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
}

/**
 * Makes the loop for a stream that this worker has just won. When an owner before left something
 * behind, the ring's numbering goes on and its engine session is tried first (spec 3.5).
 */
export async function makeOwner(
  deps: OwnerFactoryDeps,
  session: StreamSession,
  ownership: Ownership,
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
    clock,
  });
  const inherited = await inherit(fields, selector, slots, session);
  return new OwnerLoop({
    ownership,
    worker,
    selector,
    rememberedKind: await owners.kind(session.stream),
    inheritedFields: {
      ...fields,
      ...(inherited && { previous_session_id: inherited.session.playbackSessionId }),
    },
    inherited,
    settings,
    ownerStore: owners,
    ringStore: ring,
    slots,
    feed: session.feed,
    localClients: () => session.clientCount,
    clock,
    logger: session.logger,
    onFault: (end) => metrics.engineFault(end.reason),
    onAppend: (bytes) => metrics.appended(bytes),
  });
}

/** What Redis has of the ring and this worker has not read yet: the numbering goes on behind it. */
async function continueRing({ ring }: OwnerFactoryDeps, session: StreamSession): Promise<void> {
  const { head, marks, tables } = await ring.snapshot(session.stream);
  if (head <= session.feed.head) return;
  for (const [name, text] of tables) session.feed.learnTables(decodeTables(name, text));
  session.feed.adopt(head, marks.map(fromWire));
}

async function inherit(
  fields: Readonly<Record<string, string>>,
  selector: ContentSelector,
  slots: PoolSlots,
  session: StreamSession,
): Promise<Inherited | null> {
  const left = sessionFromFields(fields, selector);
  if (left === null) return null;
  const engine: EngineRecord = {
    ...left.engine,
    source: '',
    draining: false,
    withheld: false,
    containerId: fields['container_id'] ?? null,
  };
  const slot = await slots.inherit(engine, fields['engine_lease'] ?? '');
  return { session: left, slot, starting: session.feed.head === 0 };
}
