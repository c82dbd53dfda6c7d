import type { Clock } from '../../shared/clock.js';
import type { Settings } from '../../shared/config/settings.js';
import type { AppError } from '../../shared/errors.js';
import type { WorkerId } from '../../shared/ids.js';
import type { Logger } from '../../shared/log/logger.js';
import type { OwnerStore, Ownership } from '../../shared/redis/owner-store.js';
import type { RingStore } from '../../shared/redis/ring-store.js';
import type { ContentSelector, EngineEnd } from '../contracts.js';
import type { AcceptedKind } from '../engine/start-answer.js';
import type { Continuation } from '../engine/ts-chunker.js';
import type { ChunkFeed } from '../ring/chunk-feed.js';
import type { EngineSlots, Inherited } from './engine-runner.js';
import type { QualityMetrics } from './quality-watch.js';

/** What an owner is made of and whom it tells. */
export interface OwnerOptions {
  readonly ownership: Ownership;
  readonly worker: WorkerId;
  readonly selector: ContentSelector;
  readonly rememberedKind: AcceptedKind | null;
  /** Metadata of the owner before, when this is a takeover. */
  readonly inheritedFields: Readonly<Record<string, string>>;
  readonly inherited: Inherited | null;
  /** Where the inherited reader's bytes go on. */
  readonly continues: Continuation | null;
  readonly settings: Settings;
  readonly ownerStore: OwnerStore;
  readonly ringStore: RingStore;
  readonly slots: EngineSlots;
  readonly feed: ChunkFeed;
  readonly localClients: () => number;
  /** Called while a stop in progress still keeps new viewers out: the life that ends is over. */
  readonly onEnding: (error: AppError | null) => void;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly quality: QualityMetrics;
  readonly onFault: (end: EngineEnd) => void;
  readonly onAppend: (bytes: number) => void;
  readonly onStarted: () => void;
  readonly onStopped: () => void;
  /** See `RunnerEvents`. */
  readonly onLateAnswer: (work: Promise<void>) => void;
}
