/**
 * Runs `work` with a signal that aborts after `ms` (with what `late` makes) or with `signal`. By hand,
 * because `AbortSignal.any` leaves something behind on a long-lived signal with every call.
 */
export async function bounded<T>(
  limits: { readonly signal?: AbortSignal; readonly ms: number; readonly late: () => Error },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { signal, ms, late } = limits;
  signal?.throwIfAborted();
  const end = new AbortController();
  const onAbort = (): void => end.abort(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  const timer = setTimeout(() => end.abort(late()), ms);
  try {
    return await work(end.signal);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}
