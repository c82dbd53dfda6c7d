import { count, number, text, type Fields } from './fields.js';

/** One client of a stream: the fields of its record in Redis (spec 2.4), numbers as numbers. */
export interface ClientView {
  readonly id: string;
  /** ms since the epoch, like the other times here. */
  readonly connected_at: number | null;
  /** When its socket last took bytes. */
  readonly last_active: number | null;
  readonly bytes_sent: number;
  readonly chunks_sent: number;
  readonly avg_rate_KBps: number;
  readonly current_rate_KBps: number;
  readonly ip_address: string | null;
  readonly user_agent: string | null;
  readonly worker_id: string | null;
  /** Whose token opened it, where there are users. */
  readonly user: string | null;
  /** Times it fell out of the ring on its worker. */
  readonly skips: number;
  /** ms of media between what it was sent and the head, as of `stats_updated_at`. */
  readonly behind_ms: number | null;
  readonly stats_updated_at: number | null;
}

export function clientView(id: string, record: Fields): ClientView {
  return {
    id,
    connected_at: number(record, 'connected_at'),
    last_active: number(record, 'last_active'),
    bytes_sent: count(record, 'bytes_sent'),
    chunks_sent: count(record, 'chunks_sent'),
    avg_rate_KBps: count(record, 'avg_rate_KBps'),
    current_rate_KBps: count(record, 'current_rate_KBps'),
    ip_address: text(record, 'ip_address'),
    user_agent: text(record, 'user_agent'),
    worker_id: text(record, 'worker_id'),
    user: text(record, 'user'),
    skips: count(record, 'skips'),
    behind_ms: number(record, 'behind_ms'),
    stats_updated_at: number(record, 'stats_updated_at'),
  };
}
