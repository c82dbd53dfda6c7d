import { systemClock, type Clock } from '../clock.js';
import type { WorkerId } from '../ids.js';
import type {
  EngineHealth,
  EngineRecord,
  EngineReservation,
  EngineSnapshot,
  EngineStore,
  HealthEntry,
  RenewRequest,
  ReserveRequest,
  ReserveResult,
  SyncResult,
} from './engine-records.js';
import type { RedisClient } from './client.js';
import type { EngineKeys } from './keys.js';
import { defineScript, type Script } from './scripts.js';

/** ms; ten calls of a worker, so that a reload or a short outage of Redis removes nothing. */
const SILENT_MS = 10_000;

/** The registry, the reservations and the health of the engines, in Redis. */
export class RedisEngineStore implements EngineStore {
  readonly #redis: RedisClient;
  readonly #keys: EngineKeys;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #scripts: ReturnType<typeof loadScripts>;

  /** `clock`: the time of Redis, by which reservations run out. */
  constructor(redis: RedisClient, keys: EngineKeys, clock: Pick<Clock, 'now'> = systemClock) {
    this.#redis = redis;
    this.#keys = keys;
    this.#clock = clock;
    this.#scripts = loadScripts(redis);
  }

  async reserve(request: ReserveRequest): Promise<ReserveResult> {
    const { registry, health, reservations, assigned } = this.#keys;
    const answer = (await this.#scripts.reserve(
      [registry, health, reservations, assigned],
      [
        request.lease,
        request.stream,
        request.worker,
        request.term,
        request.ttlMs,
        request.defaultMax,
        ...request.exclude,
      ],
    )) as readonly [1, string, number] | readonly [0, number, number, number, number, number];
    if (answer[0] === 1) {
      return {
        ok: true,
        engine: JSON.parse(answer[1]) as EngineRecord,
        alternatives: answer[2],
      };
    }
    const [, total, draining, unhealthy, excluded, full] = answer;
    return { ok: false, reasons: { total, draining, unhealthy, excluded, full } };
  }

  async renew(request: RenewRequest): Promise<'renewed' | 'restored'> {
    const { lease, engine, stream, worker, term, ttlMs } = request;
    const code = await this.#scripts.renew(
      [this.#keys.reservations],
      [lease, engine, stream, worker, term, ttlMs],
    );
    return code === 1 ? 'renewed' : 'restored';
  }

  async release(lease: string): Promise<boolean> {
    return (await this.#redis.hdel(this.#keys.reservations, lease)) === 1;
  }

  async list(): Promise<readonly EngineSnapshot[]> {
    const keys = this.#keys;
    const [registry, health, reservations, assigned] = await Promise.all([
      this.#redis.hgetall(keys.registry),
      this.#redis.hgetall(keys.health),
      this.#redis.hgetall(keys.reservations),
      this.#redis.zrange(keys.assigned, '0', '-1', 'WITHSCORES'),
    ]);
    const now = this.#clock.now();
    const held = Object.values(reservations)
      .map((text) => parse(text) as EngineReservation | null)
      .filter((reservation) => reservation !== null)
      .filter(({ expiresAt }) => expiresAt > now);
    const assignedAt = readScores(assigned);
    return Object.entries(registry)
      .map(([id, text]) => readRecord(id, text))
      .filter((record) => record !== null)
      .map((record) => ({
        record,
        health: parse(health[record.id]) as EngineHealth | null,
        reservations: held.filter(({ engine }) => engine === record.id),
        assignedAt: assignedAt.get(record.id) ?? null,
      }))
      .sort((a, b) => a.record.id.localeCompare(b.record.id));
  }

  async sync(source: string, records: readonly EngineRecord[]): Promise<SyncResult> {
    const { registry, health, assigned, removed, sources, events } = this.#keys;
    const lines = records.map((record) => JSON.stringify(record));
    const [away, taken] = (await this.#scripts.sync(
      [registry, health, assigned, removed, sources],
      [source, events, SILENT_MS, ...lines],
    )) as [string[], string[]];
    return { away, taken };
  }

  async register(record: EngineRecord): Promise<boolean> {
    const { registry, health, removed, events } = this.#keys;
    const added = await this.#scripts.register(
      [registry, health, removed],
      [record.id, JSON.stringify(record), events],
    );
    return added === 1;
  }

  async remove(id: string): Promise<boolean> {
    const { registry, health, assigned, removed, events } = this.#keys;
    return (await this.#scripts.remove([registry, health, assigned, removed], [id, events])) === 1;
  }

  async drain(id: string, draining: boolean): Promise<boolean> {
    const { registry, events } = this.#keys;
    return (await this.#scripts.drain([registry], [id, draining ? '1' : '0', events])) === 1;
  }

  async readHealth(id: string): Promise<HealthEntry> {
    const raw = (await this.#redis.hget(this.#keys.health, id)) ?? '';
    return { raw, health: parse(raw) as EngineHealth | null };
  }

  async swapHealth(
    id: string,
    expected: HealthEntry,
    health: EngineHealth,
  ): Promise<'written' | 'stale' | 'gone'> {
    const code = await this.#scripts.swapHealth(
      [this.#keys.registry, this.#keys.health],
      [id, expected.raw, JSON.stringify(health)],
    );
    if (code === 1) return 'written';
    return code === 0 ? 'stale' : 'gone';
  }

  async keep(worker: WorkerId, ttlMs: number): Promise<boolean> {
    return (await this.#scripts.keep([this.#keys.keeper], [worker, ttlMs])) === 1;
  }

  async leave(worker: WorkerId): Promise<void> {
    await this.#scripts.leave([this.#keys.keeper], [worker]);
  }
}

function loadScripts(
  redis: RedisClient,
): Record<
  'reserve' | 'renew' | 'sync' | 'register' | 'remove' | 'drain' | 'swapHealth' | 'keep' | 'leave',
  Script
> {
  return {
    reserve: defineScript(redis, 'reserveEngine-4'),
    renew: defineScript(redis, 'renewReservation-1'),
    sync: defineScript(redis, 'syncEngines-5'),
    register: defineScript(redis, 'registerEngine-3'),
    remove: defineScript(redis, 'removeEngine-4'),
    drain: defineScript(redis, 'drainEngine-1'),
    swapHealth: defineScript(redis, 'swapHealth-2'),
    keep: defineScript(redis, 'keepEngines-1'),
    leave: defineScript(redis, 'leaveEngines-1'),
  };
}

/** Operators write to these keys too: what cannot be read is left out. */
function parse(text: string | undefined): unknown {
  if (text === undefined || text === '') return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** As `reserveEngine-4.lua` sees it: what stands under another name is no engine. */
function readRecord(id: string, text: string): EngineRecord | null {
  const record = parse(text) as Partial<EngineRecord> | null;
  return record?.id === id ? (record as EngineRecord) : null;
}

function readScores(flat: readonly string[]): ReadonlyMap<string, number> {
  const scores = new Map<string, number>();
  for (let i = 0; i + 1 < flat.length; i += 2) scores.set(flat[i] ?? '', Number(flat[i + 1]));
  return scores;
}
