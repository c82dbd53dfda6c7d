import type { WorkerId } from '../../shared/ids.js';
import type { EventBus } from '../../shared/redis/event-bus.js';

export interface FailureShareInputs {
  readonly worker: WorkerId;
  /** Of all workers on all hosts. */
  readonly channel: string;
  readonly bus: Pick<EventBus, 'subscribe'>;
  /** Rejects while Redis is away: then each worker counts alone. */
  readonly publish: (channel: string, text: string) => Promise<unknown>;
  /** Another worker was shown something wrong by this host. */
  readonly onHeard: (host: string) => void;
}

/** An address, or a /64 of IPv6; longer texts are no hosts. */
const MAX_CHARACTERS = 64;

/**
 * Tells the workers of each other's failed tries, so that who guesses has as many tries at all of them
 * together as at one. A message that gets lost is one more try.
 */
export class FailureShare {
  readonly #inputs: FailureShareInputs;

  constructor(inputs: FailureShareInputs) {
    this.#inputs = inputs;
    inputs.bus.subscribe(inputs.channel, {
      onMessage: (text) => this.#hear(text),
      onResync: () => undefined,
    });
  }

  tell(host: string): void {
    const { channel, publish, worker } = this.#inputs;
    const event = { type: 'access_failed', worker, host };
    publish(channel, JSON.stringify(event)).catch(() => undefined);
  }

  #hear(text: string): void {
    const { worker, onHeard } = this.#inputs;
    const event = parse(text);
    if (event?.worker === worker || typeof event?.host !== 'string') return;
    if (event.host.length <= MAX_CHARACTERS) onHeard(event.host);
  }
}

/** Anybody can publish. */
function parse(text: string): { readonly worker?: unknown; readonly host?: unknown } | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' ? value : null;
  } catch {
    return null;
  }
}
