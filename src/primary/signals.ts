import type { Clock } from '../shared/clock.js';

export interface SignalHandlers {
  /** SIGTERM or SIGINT for the first time. */
  readonly onStop: (signal: string) => void;
  /** One of them again: the operator does not want to wait. */
  readonly onForce: (signal: string) => void;
  readonly onReload: () => void;
}

/** What `process` has of signals. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: () => void): unknown;
  off(signal: NodeJS.Signals, listener: () => void): unknown;
}

/** One Ctrl-C may come twice: from the terminal, and from `npm` that passes it on. */
const SAME_SIGNAL_MS = 500;

/** Listens to the operator's signals; the result takes the listeners away. */
export function watchSignals(
  source: SignalSource,
  clock: Clock,
  handlers: SignalHandlers,
): () => void {
  let stoppedAt: number | null = null;
  const stop = (signal: string) => (): void => {
    const now = clock.monotonic();
    if (stoppedAt === null) {
      stoppedAt = now;
      handlers.onStop(signal);
    } else if (now - stoppedAt > SAME_SIGNAL_MS) {
      handlers.onForce(signal);
    }
  };
  const listeners: readonly (readonly [NodeJS.Signals, () => void])[] = [
    ['SIGTERM', stop('SIGTERM')],
    ['SIGINT', stop('SIGINT')],
    ['SIGHUP', () => handlers.onReload()],
  ];
  for (const [signal, listener] of listeners) source.on(signal, listener);
  return () => {
    for (const [signal, listener] of listeners) source.off(signal, listener);
  };
}
