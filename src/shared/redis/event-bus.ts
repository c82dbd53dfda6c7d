import { onConnectionChange, type RedisClient } from './client.js';

export interface ChannelHandlers {
  readonly onMessage: (text: string) => void;
  /** Messages may have been lost (new connection): read the keys again. */
  readonly onResync: () => void;
}

/**
 * One subscribed connection for all channels of a worker. After a reconnect ioredis subscribes again
 * by itself, but what was published meanwhile is lost (style 5.1.1), so every handler is told.
 */
export class EventBus {
  readonly #redis: RedisClient;
  readonly #channels = new Map<string, Set<ChannelHandlers>>();

  constructor(subscriber: RedisClient) {
    this.#redis = subscriber;
    this.#redis.on('message', (channel: string, text: string) => {
      for (const handlers of this.#channels.get(channel) ?? []) handlers.onMessage(text);
    });
    onConnectionChange(subscriber, () => {
      for (const set of this.#channels.values()) for (const handlers of set) handlers.onResync();
    });
  }

  /** Starts at once; the answer of Redis is not awaited, since the caller polls the keys anyway. */
  subscribe(channel: string, handlers: ChannelHandlers): () => void {
    const set = this.#channels.get(channel) ?? new Set();
    if (set.size === 0) {
      this.#channels.set(channel, set);
      this.#redis.subscribe(channel).catch(ignoreAway);
    }
    set.add(handlers);
    return () => {
      if (!set.delete(handlers) || set.size > 0) return;
      this.#channels.delete(channel);
      this.#redis.unsubscribe(channel).catch(ignoreAway);
    };
  }
}

/** The connection subscribes again to what it knows once it is back. */
function ignoreAway(): void {
  return;
}
