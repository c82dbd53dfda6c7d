import type { ClientSession } from './client/client-session.js';
import type { ConnectionLedger } from './lifecycle/connection-ledger.js';
import type { StreamSession } from './stream/stream-session.js';

/** ms that one client gets to take what is queued before it is handed over. */
const DETACH_MS = 3_000;

/**
 * Gives a playing client back to the primary, which deals it to a sibling: to `to` (process id) when
 * that one serves. A client that does not take what is queued for it in time is lost.
 */
export async function giveClient(
  ledger: ConnectionLedger,
  session: StreamSession,
  client: ClientSession,
  to?: number,
): Promise<void> {
  const playing = await client.detach(DETACH_MS);
  if (playing !== null) ledger.handover(client.socket, playing, to);
  session.clients.release(client.identity, playing !== null);
}
