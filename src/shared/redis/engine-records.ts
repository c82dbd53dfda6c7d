import type { EngineAddress } from '../config/settings.js';
import type { StreamId, WorkerId } from '../ids.js';

/** An engine as the registry knows it. */
export interface EngineRecord extends EngineAddress {
  /** `config:<host name>:<port>:<digest of the list>`, `orchestrator` or `api`: who may change and remove it. */
  readonly source: string;
  /** An operator's wish: keeps its streams, gets no new one. */
  readonly draining: boolean;
  /** Its source says not to use it: an orchestrator that drains it or finds it unhealthy. */
  readonly withheld: boolean;
  /** The container's id where an orchestrator named one. */
  readonly containerId: string | null;
}

/** What is known of an engine's fitness. Times are wall-clock ms. */
export interface EngineHealth {
  readonly healthy: boolean;
  /** Failures since the last start that worked; halves with each probe of a healthy engine. */
  readonly failures: number;
  readonly nextProbeAt: number;
  readonly lastError: string | null;
  /** 1 is flawless, 0 useless, as of `scoredAt`: it recovers with time. */
  readonly score: number;
  readonly scoredAt: number;
  readonly version: string | null;
  /** The last probe, or 0. */
  readonly checkedAt: number;
}

/** A slot of an engine that a stream holds. */
export interface EngineReservation {
  readonly engine: string;
  readonly stream: StreamId;
  readonly worker: WorkerId;
  readonly term: number;
  /** ms by Redis' clock. */
  readonly expiresAt: number;
}

/** Why no engine could be reserved; every engine is counted once, in this order. */
export interface NoEngineReasons {
  readonly total: number;
  readonly draining: number;
  readonly unhealthy: number;
  readonly excluded: number;
  readonly full: number;
}

export interface ReserveRequest {
  readonly lease: string;
  readonly stream: StreamId;
  readonly worker: WorkerId;
  readonly term: number;
  readonly exclude: readonly string[];
  readonly ttlMs: number;
  readonly defaultMax: number;
}

export type ReserveResult =
  /** `alternatives`: engines that were free too. */
  | { readonly ok: true; readonly engine: EngineRecord; readonly alternatives: number }
  | { readonly ok: false; readonly reasons: NoEngineReasons };

/** Ids of a list that were not registered. */
export interface SyncResult {
  /** Removed by hand. */
  readonly away: readonly string[];
  /** Another source has the id, with another address. */
  readonly taken: readonly string[];
}

export interface RenewRequest {
  readonly lease: string;
  readonly engine: string;
  readonly stream: StreamId;
  readonly worker: WorkerId;
  readonly term: number;
  readonly ttlMs: number;
}

export interface EngineSnapshot {
  readonly record: EngineRecord;
  readonly health: EngineHealth | null;
  /** Reservations that have not run out. */
  readonly reservations: readonly EngineReservation[];
  /** Wall-clock ms, or `null` when it was never assigned. */
  readonly assignedAt: number | null;
}

/** What of an engine's health was computed from: a later write is told by it. */
export interface HealthEntry {
  readonly raw: string;
  readonly health: EngineHealth | null;
}

/** The engines in Redis. Every method rejects when Redis is away. */
export interface EngineStore {
  reserve(request: ReserveRequest): Promise<ReserveResult>;
  /** `restored` when the reservation was gone. */
  renew(request: RenewRequest): Promise<'renewed' | 'restored'>;
  /** Idempotent: false when there was none. */
  release(lease: string): Promise<boolean>;
  list(): Promise<readonly EngineSnapshot[]>;
  sync(source: string, records: readonly EngineRecord[]): Promise<SyncResult>;
  /** True when the engine is new. */
  register(record: EngineRecord): Promise<boolean>;
  remove(id: string): Promise<boolean>;
  drain(id: string, draining: boolean): Promise<boolean>;
  readHealth(id: string): Promise<HealthEntry>;
  /** `stale`: somebody else wrote in between; `gone`: no such engine. */
  swapHealth(
    id: string,
    expected: HealthEntry,
    health: EngineHealth,
  ): Promise<'written' | 'stale' | 'gone'>;
  keep(worker: WorkerId, ttlMs: number): Promise<boolean>;
  leave(worker: WorkerId): Promise<void>;
}
