import type { Clock } from '../shared/clock.js';
import type { Keys } from '../shared/redis/keys.js';
import { requestKick, requestStop } from '../shared/inspect/requests.js';
import type { InspectRedis } from '../shared/inspect/inspect-redis.js';
import type { PrimaryMessage } from '../shared/ipc/messages.js';
import type { Logger } from '../shared/log/logger.js';
import type { Metrics } from '../shared/metrics/definitions.js';
import type { AccessGate } from './access/access-gate.js';
import type { EnginePool } from './engine/engine-pool.js';
import type { HttpDeps } from './http/deps.js';
import type { EventHub } from './http/event-hub.js';
import { makeMediaRouter } from './http/routes/getstream.js';
import { ChannelFile } from './playlist/channel-file.js';
import { makePlaylistFetch } from './playlist/fetch-playlist.js';
import type { ConnectionLedger } from './lifecycle/connection-ledger.js';
import type { MetricsLink } from './lifecycle/metrics-link.js';
import type { StreamRegistry } from './stream/stream-registry.js';

export interface HttpParts {
  readonly start: Extract<PrimaryMessage, { type: 'start' }>;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly keys: Keys;
  readonly redis: InspectRedis & { readonly status: string };
  readonly pool: EnginePool;
  readonly registry: StreamRegistry;
  readonly ledger: ConnectionLedger;
  readonly metrics: Metrics;
  readonly collector: MetricsLink;
  readonly events: EventHub;
  readonly access: AccessGate;
}

/** What the HTTP side is given of this worker. */
export function makeHttpDeps(parts: HttpParts): HttpDeps {
  const { start, logger, clock, keys, redis, pool, registry, ledger, metrics, collector } = parts;
  const { access } = parts;
  const { publicUrl, playlistFetch } = start.settings;
  const channels = new ChannelFile({ ...start.settings.channels, logger });
  // Now, so that the log tells of faults before the first player meets them.
  void channels.refresh();
  void access.refresh();
  return {
    settings: start.settings,
    logger,
    keys,
    redis,
    enginePool: pool,
    playlists: {
      publicUrl,
      channels,
      fetch: playlistFetch === 'off' ? null : makePlaylistFetch({ scope: playlistFetch }),
    },
    mediaRouter: makeMediaRouter({
      registry,
      clock,
      access,
      aliases: channels,
      onMoved: (from, to) => ledger.move(from, to),
      onPlaying: (socket, session) => ledger.playing(socket, session),
      onJoined: (seconds) => metrics.joinSeconds.observe(seconds),
    }),
    readiness: () => {
      const reasons = redis.status === 'ready' ? [] : ['Redis does not answer'];
      return { ready: reasons.length === 0, reasons };
    },
    collectMetrics: () => collector.collect(),
    localMetrics: () => metrics.toJSON(),
    events: parts.events,
    access,
    apiKeyConfigured: start.apiKeyConfigured,
    stopStream: async (id) => (await requestStop(redis, keys, id, 'asked over HTTP')).found,
    kickClient: (id, client) => requestKick(redis, keys, id, { client, reason: 'asked over HTTP' }),
  };
}
