import type { Socket } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { IntervalHistogram } from 'node:perf_hooks';

import type { Clock } from '../../shared/clock.js';
import type { PrimaryMessage, WorkerMessage, WorkerVitals } from '../../shared/ipc/messages.js';
import { isPrimaryMessage } from '../../shared/ipc/messages.js';

/** Node's own messages, and with them those that carry a socket, are `internalMessage`. */
type ChannelEvent = 'message' | 'internalMessage';

/** What `process` has of the channel to the primary. */
export interface IpcChannel {
  send?: (
    message: unknown,
    handle: Socket | undefined,
    options: undefined,
    callback: (error: Error | null) => void,
  ) => boolean;
  on(event: ChannelEvent, listener: (message: unknown, handle: unknown) => void): unknown;
  off(event: ChannelEvent, listener: (message: unknown, handle: unknown) => void): unknown;
}

export interface PrimaryLinkDeps {
  readonly clock: Clock;
  /** `process` unless told otherwise. */
  readonly channel?: IpcChannel;
}

/** What the worker knows of itself; the link adds lag and memory. */
export type Workload = Pick<WorkerVitals, 'clients' | 'streams'>;

/** `socket` comes with the messages that carry one; `null` even there when its peer was faster. */
type Handler<M extends PrimaryMessage> = (message: M, socket: Socket | null) => void;

/** What the primary makes of missed ones: `src/primary/silence-policy.ts`. */
const HEARTBEAT_MS = 250;
const LAG_RESOLUTION_MS = 50;
const NS_PER_MS = 1e6;

/**
 * The worker's end of the channel. When the primary dies, node:cluster ends this process at once
 * (style 5.7): there is nothing to clean up here that a TTL does not clean up as well.
 */
export class PrimaryLink {
  readonly #clock: Clock;
  readonly #channel: IpcChannel;
  readonly #handlers = new Map<string, Handler<PrimaryMessage>>();
  readonly #lag: IntervalHistogram = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS });
  readonly #onMessage = (message: unknown, handle: unknown): void => {
    this.#receive(message, handle);
  };
  readonly #onInternal = (message: unknown, handle: unknown): void => {
    if ((handle ?? null) === null) this.#missHandle(message);
  };
  #workload: () => Workload = () => ({ clients: 0, streams: 0 });
  #vitals: WorkerVitals = { clients: 0, streams: 0, eventLoopLagMs: 0, rssBytes: 0 };
  #timer: NodeJS.Timeout | undefined;
  #unsent = 0;
  #beatUnsent = false;

  constructor(deps: PrimaryLinkDeps) {
    this.#clock = deps.clock;
    this.#channel = deps.channel ?? process;
  }

  /** Sets the handler of a type of message; to be called before `open`. */
  on<T extends PrimaryMessage['type']>(
    type: T,
    handler: Handler<Extract<PrimaryMessage, { readonly type: T }>>,
  ): void {
    // Only messages of this type reach it.
    this.#handlers.set(type, handler as Handler<PrimaryMessage>);
  }

  /** Says hello, which the primary answers with `start`, and begins the heartbeat. */
  open(): void {
    if (this.#channel.send === undefined) {
      throw new Error('a worker is started by the primary: run the primary instead');
    }
    this.#channel.on('message', this.#onMessage);
    this.#channel.on('internalMessage', this.#onInternal);
    this.#lag.enable();
    this.send({ type: 'hello' });
    this.#timer = this.#clock.setInterval(() => this.#beat(), HEARTBEAT_MS);
  }

  /** What the last heartbeat said. */
  get vitals(): WorkerVitals {
    return this.#vitals;
  }

  /** What heartbeats say from now on. */
  reportWorkload(workload: () => Workload): void {
    this.#workload = workload;
  }

  /** Never throws: a channel that is closed loses the message, and this process ends soon. */
  send(message: WorkerMessage): void {
    void this.deliver(message);
  }

  /** Resolves when the message is with the system, or is lost: to be awaited before an exit. */
  deliver(message: WorkerMessage): Promise<void> {
    return new Promise((resolve) => this.#post(message, resolve));
  }

  /**
   * Sends a connection away with a message; it must not be read here (`takeConnection`). Resolves
   * with true when the system took it, with false when the channel is closed. Either way it is not
   * this process's any more. To be awaited before an exit.
   */
  sendSocket(message: WorkerMessage, socket: Socket): Promise<boolean> {
    return new Promise((resolve) => {
      // Node sends the message alone when the connection has ended meanwhile.
      this.#channel.send?.(message, socket, undefined, (error) => {
        if (error !== null) socket.destroy();
        resolve(error === null);
      });
    });
  }

  /** For what the next report says anyway: dropped while the primary does not read (style 5.7). */
  sendDroppable(message: WorkerMessage): void {
    if (this.#unsent === 0) this.send(message);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#lag.disable();
    this.#channel.off('message', this.#onMessage);
    this.#channel.off('internalMessage', this.#onInternal);
  }

  #post(message: WorkerMessage, onSent: () => void): void {
    this.#unsent += 1;
    this.#channel.send?.(message, undefined, undefined, () => {
      this.#unsent -= 1;
      onSent();
    });
  }

  #receive(message: unknown, handle: unknown): void {
    if (!isPrimaryMessage(message)) return;
    this.#handlers.get(message.type)?.(message, (handle as Socket | undefined) ?? null);
  }

  /**
   * A message whose socket this process has no descriptor for. Node keeps the message to itself, and tells a
   * sender that keeps its own handle nothing (Node 20): the player would wait for ever.
   */
  #missHandle(message: unknown): void {
    const { cmd, msg } = message as { readonly cmd?: unknown; readonly msg?: unknown };
    if (cmd !== 'NODE_HANDLE' || !isPrimaryMessage(msg)) return;
    if ('connection' in msg) this.send({ type: 'not-received', connection: msg.connection });
    else this.#receive(msg, null);
  }

  #beat(): void {
    const lagMs = Math.max(this.#lag.max / NS_PER_MS - LAG_RESOLUTION_MS, 0);
    this.#lag.reset();
    this.#vitals = {
      ...this.#workload(),
      eventLoopLagMs: Math.round(lagMs),
      rssBytes: residentBytes() ?? this.#vitals.rssBytes,
    };
    // Behind other messages too, such as the positions of thousands: a missed one tells of a hang.
    if (this.#beatUnsent) return;
    this.#beatUnsent = true;
    this.#post({ type: 'heartbeat', vitals: this.#vitals }, () => {
      this.#beatUnsent = false;
    });
  }
}

/** `null` where the system has no descriptor left to read it with: that must not end the worker. */
function residentBytes(): number | null {
  try {
    return process.memoryUsage.rss();
  } catch {
    return null;
  }
}
