/** What a follower has seen of the owner lock; monotonic ms. */
export interface OwnerSight {
  /** Since when the lock is free; `null` while somebody holds it. */
  readonly ownerlessSince: number | null;
  /** When Redis last came back after an outage; `null` when it never was away. */
  readonly redisBackAt: number | null;
}

/**
 * ms that an owner gets to put itself back after Redis came back or lost its data: it renews every
 * 500 ms and reconnects within 250 ms. Taking over earlier would start a second engine session for
 * a stream that never stopped (spec 3.7).
 */
export const SETTLE_MS = 1_500;

/** Whether to try to win the stream: its lock is free and its owner had the time to restore it. */
export function decideTakeover(
  sight: OwnerSight,
  seen: { readonly now: number; readonly ringLost: boolean },
): boolean {
  if (sight.ownerlessSince === null) return false;
  const settled = (since: number): boolean => seen.now - since >= SETTLE_MS;
  if (sight.redisBackAt !== null && !settled(sight.redisBackAt)) return false;
  return seen.ringLost ? settled(sight.ownerlessSince) : true;
}
