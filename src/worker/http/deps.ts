import type { Router } from 'express';
import type { EngineAddress, Settings } from '../../shared/config/settings.js';
import type { ClientId, StreamId } from '../../shared/ids.js';
import type { InspectRedis } from '../../shared/inspect/inspect-redis.js';
import type { Logger } from '../../shared/log/logger.js';
import type { MetricsSample } from '../../shared/metrics/render.js';
import type { Keys } from '../../shared/redis/keys.js';
import type { AccessGate } from '../access/access-gate.js';
import type { ChannelList } from '../playlist/channel-list.js';
import type { PlaylistFetch } from '../playlist/fetch-playlist.js';
import type { EventHub } from './event-hub.js';

/** Everything the HTTP side is given; it makes nothing of this itself. */
export interface HttpDeps {
  readonly settings: Pick<Settings, 'trustedProxies' | 'workers'>;
  readonly logger: Logger;
  readonly keys: Keys;
  /** The worker's control connection. */
  readonly redis: InspectRedis;
  readonly enginePool: EngineRegistry;
  readonly playlists: PlaylistDeps;
  /** Serves `/ace/getstream` and `/ace/alias/:name`; mounted before everything else. */
  readonly mediaRouter: Router;
  /** Whether players can be served now, and if not, why; answers from memory. */
  readonly readiness: () => Readiness;
  /** Asks the primary for the metrics of all workers. */
  readonly collectMetrics: () => Promise<MetricsSample>;
  /** This worker's own metrics: what is left when the primary does not answer. */
  readonly localMetrics: () => Promise<unknown>;
  /** The listeners of `/events`. */
  readonly events: Pick<EventHub, 'add'>;
  /** Checks the key and the networks, and who may have media. */
  readonly access: Pick<AccessGate, 'admitMedia' | 'admitNetwork' | 'checkKey'>;
  /** False when the primary made the key itself: then the listings are open (spec 6). */
  readonly apiKeyConfigured: boolean;
  /** Asks for the stop of a stream on any host; false when it does not run. */
  readonly stopStream: (id: StreamId) => Promise<boolean>;
  /** Asks for the end of one client on any host; false when the stream has no such client. */
  readonly kickClient: (id: StreamId, client: ClientId) => Promise<boolean>;
}

export interface PlaylistDeps {
  /** `PROXY_PUBLIC_URL`. */
  readonly publicUrl: string | null;
  readonly channels: { list(): Promise<Pick<ChannelList, 'render'>> };
  /** `null` where the proxy fetches no foreign playlists. */
  readonly fetch: PlaylistFetch | null;
}

export interface Readiness {
  readonly ready: boolean;
  readonly reasons: readonly string[];
}

/** The engines as the routes need them; `remove`, `drain` and `undrain` say whether there is one. */
export interface EngineRegistry {
  /** JSON of each engine with its load, health and score. */
  list(): Promise<readonly object[]>;
  /** Replaces an engine of the same id; true when it is new. */
  register(engine: EngineAddress): Promise<boolean>;
  remove(id: string): Promise<boolean>;
  /** No new streams; the running ones stay. */
  drain(id: string): Promise<boolean>;
  undrain(id: string): Promise<boolean>;
}
