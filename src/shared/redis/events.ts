import type { ErrorCode } from '../errors.js';
import type { ClientId } from '../ids.js';

/** JSON events on `ace_proxy:events:<id>` (spec 2.4). They are hints: the keys are the truth. */
export type StreamEvent =
  | { readonly type: 'stream_started'; readonly owner: string; readonly engine: string }
  /** Somebody asks for a stop; the truth is the key `stop_request`. */
  | { readonly type: 'stream_stop'; readonly reason: string }
  | {
      readonly type: 'stream_stopped';
      readonly reason: string;
      readonly code?: ErrorCode | undefined;
      readonly detail?: string | undefined;
    }
  | { readonly type: 'client_connected'; readonly client: ClientId; readonly worker: string }
  | { readonly type: 'client_disconnected'; readonly client: ClientId; readonly clients: number }
  /** A client is asked to leave; the truth is its key `client:<cid>:stop`. */
  | { readonly type: 'client_stop'; readonly client: ClientId }
  /** `owner` is empty when nobody owns the stream: whoever has clients may win it. */
  | {
      readonly type: 'owner_changed';
      readonly owner: string;
      readonly term: number;
      readonly reason: string;
    }
  | { readonly type: 'engine_switched'; readonly engine: string; readonly reason: string };

/** The event, or `null` for what is not one: anybody can publish. */
export function parseStreamEvent(text: string): StreamEvent | null {
  try {
    const value: unknown = JSON.parse(text);
    const type = (value as { type?: unknown } | null)?.type;
    return typeof type === 'string' && EVENT_TYPES.has(type) ? (value as StreamEvent) : null;
  } catch {
    return null;
  }
}

const EVENT_TYPES: ReadonlySet<string> = new Set<StreamEvent['type']>([
  'stream_started',
  'stream_stop',
  'stream_stopped',
  'client_connected',
  'client_disconnected',
  'client_stop',
  'owner_changed',
  'engine_switched',
]);
