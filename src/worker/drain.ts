import type { PrimaryMessage } from '../shared/ipc/messages.js';
import type { Logger } from '../shared/log/logger.js';
import { withDeadline } from '../shared/deadline.js';
import { giveClient } from './give-client.js';
import type { FedServer } from './http/server.js';
import type { ConnectionLedger } from './lifecycle/connection-ledger.js';
import type { PrimaryLink } from './lifecycle/primary-link.js';
import type { StreamRegistry } from './stream/stream-registry.js';

export interface DrainStep {
  readonly name: string;
  readonly run: () => Promise<void>;
  /** How long it may take; a second unless said. */
  readonly ms?: number;
}

export interface DrainDeps {
  readonly link: PrimaryLink;
  readonly ledger: ConnectionLedger;
  readonly registry: StreamRegistry;
  readonly server: FedServer;
  readonly logger: Logger;
  /** What is ended after clients and streams, in this order. */
  readonly steps: readonly DrainStep[];
}

/** Part of the time that clients and streams may take; the rest is for the steps. */
const STREAMS_SHARE = 0.7;
const STEP_MS = 1_000;

/** The end of a worker: its clients end or move, its streams stop or move, then it exits with 0. */
export class Drain {
  readonly #deps: DrainDeps;
  #running = false;

  constructor(deps: DrainDeps) {
    this.#deps = deps;
  }

  async run({ handover, deadlineMs }: Extract<PrimaryMessage, { type: 'drain' }>): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    const { link, ledger, registry, server, logger } = this.#deps;
    const streams = handover
      ? registry.handOver((session, client) => giveClient(ledger, session, client))
      : registry.shutdown();
    await this.#step('streams', streams, deadlineMs * STREAMS_SHARE);
    if (handover) ledger.returnUnread();
    server.close();
    for (const { name, run, ms = STEP_MS } of this.#deps.steps) await this.#step(name, run(), ms);
    ledger.close();
    await link.deliver({ type: 'drained' });
    logger.info('worker drained');
    process.exit(0);
  }

  async #step(name: string, work: Promise<void>, ms: number): Promise<void> {
    try {
      await withDeadline(work, ms, name);
    } catch (error) {
      this.#deps.logger.warn('a step of the drain failed', { step: name, error });
    }
  }
}
