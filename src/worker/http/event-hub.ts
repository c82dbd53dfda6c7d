import type { Response } from 'express';
import type { Clock } from '../../shared/clock.js';
import { withDeadline } from '../../shared/deadline.js';
import { AppError } from '../../shared/errors.js';
import type { Snapshot } from '../../shared/inspect/live-view.js';
import type { Logger } from '../../shared/log/logger.js';

export interface EventHubDeps {
  /** Reads the moment; `clients`: somebody listens who may see the players. */
  readonly read: (options: { readonly clients: boolean }) => Promise<Snapshot>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Listeners of one worker: people at a panel, not players. */
export const MAX_LISTENERS = 32;
/** ms between two snapshots. */
const INTERVAL_MS = 1_000;
/** ms; Redis that does not answer by then is shown as away. */
const READ_DEADLINE_MS = 2_000;
/** ms without a byte taken after which a listener is cut: its tab sleeps or its line is dead. */
const STUCK_MS = 30_000;

interface Listener {
  readonly response: Response;
  readonly withKey: boolean;
  lastTakenAt: number;
}

/** Long answers that begin with `200 text/event-stream`; `no` buffering for proxies in between. */
const HEADERS = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'no-store',
  'X-Accel-Buffering': 'no',
  Connection: 'close',
} as const;

/**
 * `GET /events`: one snapshot a second for all listeners of this worker, read only while there is
 * one. A listener that does not take a snapshot misses it: nothing is queued.
 */
export class EventHub {
  readonly #deps: EventHubDeps;
  readonly #listeners = new Set<Listener>();
  #timer: NodeJS.Timeout | undefined;
  #reading = false;
  #closed = false;
  #awaySince: number | null = null;

  constructor(deps: EventHubDeps) {
    this.#deps = deps;
  }

  get size(): number {
    return this.#listeners.size;
  }

  /** Begins the answer. Throws `LISTENER_LIMIT`, or `SHUTTING_DOWN` after `close`. */
  add(response: Response, { withKey }: { readonly withKey: boolean }): void {
    if (this.#closed) throw new AppError('SHUTTING_DOWN');
    if (response.req.method === 'HEAD') {
      response.status(200).set(HEADERS).end();
      return;
    }
    if (this.#listeners.size >= MAX_LISTENERS) {
      throw new AppError('LISTENER_LIMIT', { limit: MAX_LISTENERS });
    }
    const { clock } = this.#deps;
    const listener: Listener = { response, withKey, lastTakenAt: clock.monotonic() };
    this.#listeners.add(listener);
    response.on('close', () => this.#remove(listener));
    response.on('drain', () => {
      listener.lastTakenAt = clock.monotonic();
    });
    response.status(200).set(HEADERS).flushHeaders();
    response.write('retry: 1000\n\n');
    this.#timer ??= clock.setInterval(() => this.#tick(), INTERVAL_MS);
    this.#tick();
  }

  /** Ends every answer, so that the worker can go; whoever listens asks the next worker. */
  close(): Promise<void> {
    this.#closed = true;
    for (const listener of [...this.#listeners]) {
      this.#remove(listener);
      listener.response.end('event: end\ndata: {}\n\n');
    }
    return Promise.resolve();
  }

  #remove(listener: Listener): void {
    this.#listeners.delete(listener);
    if (this.#listeners.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tick(): void {
    if (this.#reading) {
      // Redis takes its time: the line is alive all the same.
      for (const listener of this.#listeners) this.#send(listener, ': heartbeat\n\n');
      return;
    }
    this.#reading = true;
    void this.#publish().finally(() => {
      this.#reading = false;
    });
  }

  async #publish(): Promise<void> {
    const clients = [...this.#listeners].some(({ withKey }) => withKey);
    const snapshot = await this.#read(clients);
    const texts = new Map<boolean, string>();
    for (const listener of this.#listeners) {
      const { withKey } = listener;
      const text = texts.get(withKey) ?? render(snapshot, withKey);
      texts.set(withKey, text);
      this.#send(listener, text);
    }
  }

  async #read(clients: boolean): Promise<Snapshot> {
    const { read, clock, logger } = this.#deps;
    try {
      const snapshot = await withDeadline(read({ clients }), READ_DEADLINE_MS, 'the snapshot');
      this.#awaySince = null;
      return snapshot;
    } catch (error) {
      if (this.#awaySince === null) logger.warn('the panel gets no snapshot', { error });
      this.#awaySince ??= clock.now();
      return { at: clock.now(), redis: { available: false, since: this.#awaySince } };
    }
  }

  #send(listener: Listener, text: string): void {
    const { response } = listener;
    const now = this.#deps.clock.monotonic();
    if (!response.writableNeedDrain) {
      listener.lastTakenAt = now;
      response.write(text);
    } else if (now - listener.lastTakenAt > STUCK_MS) {
      response.destroy();
    }
  }
}

/** Players are left out for who may not see them. */
function render(snapshot: Snapshot, withKey: boolean): string {
  const shown = withKey ? snapshot : { ...snapshot, clients: undefined };
  return `event: snapshot\ndata: ${JSON.stringify(shown)}\n\n`;
}
