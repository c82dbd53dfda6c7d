// @ts-check
// What `GET /events` says, as the panel reads it (src/shared/inspect/live-view.ts makes it).

/**
 * @typedef {{ at: number, what: string, why: string }} StoryEntry
 *
 * @typedef {object} Stream
 * @property {string} key
 * @property {string | null} state
 * @property {boolean} stopping
 * @property {string | null} container_id
 * @property {string | null} engine_host
 * @property {number | null} engine_port
 * @property {string | null} started_at
 * @property {string | null} owner
 * @property {number | null} term
 * @property {number} clients
 * @property {number | null} bitrate bit/s
 * @property {number | null} peers
 * @property {number | null} speed_down KB/s
 * @property {string | null} error_message
 * @property {number | null} head
 * @property {number | null} ring_seconds
 * @property {number | null} ring_bytes
 * @property {string | null} grade
 * @property {string[]} faults
 * @property {number} losses_per_minute
 * @property {number | null} pcr_jitter_ms
 * @property {number | null} pcr_interval_max_ms
 * @property {number} continuity_errors
 * @property {number} sync_losses
 * @property {number} splices
 * @property {StoryEntry[]} story
 *
 * @typedef {object} Ended
 * @property {string} key
 * @property {string | null} ended_at
 * @property {string | null} container_id
 * @property {string | null} error_message
 * @property {StoryEntry[]} story
 *
 * @typedef {object} Client
 * @property {string} id
 * @property {string} stream
 * @property {number | null} connected_at
 * @property {number} bytes_sent
 * @property {number} current_rate_KBps
 * @property {string | null} ip_address
 * @property {string | null} user_agent
 * @property {string | null} user whose token opened it
 * @property {string | null} worker_id
 * @property {number | null} stats_updated_at
 * @property {number} skips
 * @property {number | null} behind_ms
 *
 * @typedef {object} Engine
 * @property {string} id
 * @property {string} host
 * @property {number} port
 * @property {boolean} forwarded
 * @property {string} source
 * @property {boolean} draining
 * @property {boolean} withheld
 * @property {number} max_streams
 * @property {number} load
 * @property {boolean} healthy
 * @property {number} failures
 * @property {number} score
 * @property {string | null} version
 * @property {string | null} last_error
 * @property {string | null} next_probe_at
 *
 * @typedef {object} Worker
 * @property {string} id
 * @property {number | null} at
 * @property {number} clients
 * @property {number | null} streams
 * @property {number | null} event_loop_lag_ms
 * @property {number | null} rss_bytes
 * @property {number | null} rate_KBps
 *
 * @typedef {object} Redis
 * @property {boolean} available
 * @property {number} [since]
 * @property {number} [latency_ms]
 * @property {string | null} [version]
 * @property {number | null} [used_bytes]
 * @property {number | null} [max_bytes]
 * @property {number | null} [commands_per_second]
 * @property {number | null} [connections]
 * @property {number | null} [uptime_seconds]
 *
 * @typedef {object} Snapshot
 * @property {number} at
 * @property {Redis} redis
 * @property {Stream[]} [streams]
 * @property {Ended[]} [ended]
 * @property {Engine[]} [engines]
 * @property {Worker[]} [workers]
 * @property {Client[]} [clients]
 */

export {};
