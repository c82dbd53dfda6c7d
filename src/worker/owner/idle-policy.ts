/** What the owner's last renewal told about the viewers. */
export interface Census {
  readonly clients: number;
  /** ms epoch at which the last client left; `null` while none has. */
  readonly lastDisconnect: number | null;
  /** Clients of this worker, which Redis may have forgotten (FLUSHALL). */
  readonly localClients: number;
  /** ms epoch since which nobody is known to watch; `null` while somebody does. */
  readonly idleSince: number | null;
}

export type IdleDecision =
  | { readonly action: 'stay' }
  /** The grace period ends in `ms`. */
  | { readonly action: 'wait'; readonly ms: number }
  /** Nobody watches: try the atomic stop. */
  | { readonly action: 'stop' };

/**
 * Whether the grace period is over (spec 3.6). An empty set of clients alone proves nothing: after
 * Redis came back empty the viewers are still there and register again.
 */
export function decideIdle(census: Census, now: number, graceMs: number): IdleDecision {
  if (census.clients > 0 || census.localClients > 0) return { action: 'stay' };
  const since = census.lastDisconnect ?? census.idleSince;
  if (since === null) return { action: 'stay' };
  const left = graceMs - (now - since);
  return left <= 0 ? { action: 'stop' } : { action: 'wait', ms: left };
}
