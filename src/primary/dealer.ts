import type { Socket } from 'node:net';

import type { Clock } from '../shared/clock.js';
import type { ErrorCode } from '../shared/errors.js';
import type { PrimaryMessage } from '../shared/ipc/messages.js';
import type { Logger } from '../shared/log/logger.js';
import type { Connection, ConnectionMessage, Errand } from './connections.js';
import { ConnectionTable, MAX_REPLAYS, rescueOf } from './connections.js';
import { chooseWorker } from './deal-policy.js';
import type { Share } from './gather-policy.js';
import { endSocket, refuse } from './refusal.js';

/** What the dealer needs of a worker; `WorkerHandle` is one. */
export interface DealTarget {
  readonly pid: number;
  readonly generation: number;
  readonly stale: boolean;
  lastDeal: number;
  send(message: PrimaryMessage, socket: Socket, onFailed: (error: Error) => void): void;
}

export interface DealerDeps {
  /** The workers that serve, now. */
  readonly serving: () => readonly DealTarget[];
  readonly clock: Clock;
  readonly log: Logger;
}

interface Waiting {
  readonly connection: Connection;
  readonly errand: Errand;
  readonly timer: NodeJS.Timeout;
}

/** New connections that may wait for a worker; as many as the kernel holds in the backlog. */
const MAX_WAITING = 4_096;
const NEW: Errand = { type: 'connection' };
/** A worker is back within a second or two; players give up after ten. */
const WAIT_MS = 5_000;

/**
 * Gives every connection to a worker, and to another one when that worker dies or hands it over.
 * The TCP connection lives as long as the primary's handle, whatever happens to the workers.
 */
export class Dealer {
  readonly #deps: DealerDeps;
  readonly #table = new ConnectionTable();
  readonly #waiting = new Map<Connection, Waiting>();
  #deals = 0;
  #closed: ErrorCode | null = null;

  constructor(deps: DealerDeps) {
    this.#deps = deps;
  }

  get open(): number {
    return this.#table.size;
  }

  count(pid: number): number {
    return this.#table.count(pid);
  }

  /** Playing clients by stream and worker. */
  shares(): Share[] {
    return this.#table.shares();
  }

  /** A TCP connection that was just accepted. */
  accept(socket: Socket): void {
    // A handle that is never read reports nothing, but a write of ours (a refusal) may fail.
    socket.on('error', () => undefined);
    if (this.#closed !== null) {
      refuse(socket, this.#closed);
      return;
    }
    this.#place(this.#table.add(socket), { type: 'connection' }, false);
  }

  /** What a worker says of its connections. */
  receive(pid: number, message: ConnectionMessage): void {
    switch (message.type) {
      case 'connection-request':
      case 'connection-answered':
      case 'connection-playing':
        this.#table.progress(pid, message);
        return;
      case 'positions':
        for (const [id, position] of message.positions) this.#table.position(pid, id, position);
        return;
      case 'connection-closed': {
        const connection = this.#table.of(pid, message.connection);
        if (connection !== null) this.#drop(connection);
        return;
      }
      case 'returned': {
        const connection = this.#table.of(pid, message.connection);
        if (connection !== null) this.#place(connection, { type: 'connection' }, true);
        return;
      }
      case 'not-received': {
        const connection = this.#table.of(pid, message.connection);
        if (connection !== null) this.#dealElsewhere(connection, pid);
        return;
      }
      case 'handover': {
        const connection = this.#table.of(pid, message.connection);
        if (connection === null) return;
        this.#table.handOver(connection, message.session);
        const errand = { type: 'adopt', session: message.session, torn: false } as const;
        const wanted = this.#deps.serving().find((target) => target.pid === message.to);
        if (wanted !== undefined) this.#deal(wanted, connection, errand, true);
        else this.#place(connection, errand, true);
        return;
      }
    }
  }

  /** A worker is gone: its connections go to its siblings. */
  rescue(pid: number): void {
    const orphans = this.#table.ofWorker(pid);
    let closed = 0;
    for (const connection of orphans) {
      const errand = rescueOf(connection);
      if (errand?.type === 'replay') this.#table.countReplay(connection);
      if (errand === null || this.#closed !== null) {
        closed += 1;
        this.#drop(connection);
      } else {
        this.#place(connection, errand, true);
      }
    }
    if (orphans.length === 0) return;
    this.#deps.log.info('rescued the connections of a worker', {
      worker: pid,
      rescued: orphans.length - closed,
      closed,
    });
  }

  /** A worker serves: whoever waits for one goes to it. */
  flush(): void {
    for (const { connection, errand } of [...this.#waiting.values()]) {
      this.#place(connection, errand, true);
    }
  }

  /** Takes nothing new; connections that no worker has are refused with `code`. */
  stop(code: ErrorCode): void {
    this.#closed = code;
    for (const waiting of [...this.#waiting.values()]) this.#giveUp(waiting);
  }

  /** Ends with FIN what is still open. */
  close(): void {
    for (const connection of this.#table.all()) this.#drop(connection);
  }

  #place(connection: Connection, errand: Errand, preferNew: boolean, except?: number): void {
    this.#unwait(connection);
    const target = this.#choose(preferNew, except);
    if (target === null) this.#wait(connection, errand);
    else this.#deal(target, connection, errand, preferNew);
  }

  /** To the same one again it would be lost again, and between two that are full it would never end. */
  #dealElsewhere(connection: Connection, pid: number): void {
    this.#deps.log.warn('a worker has no descriptor left for a connection', { worker: pid });
    const errand = rescueOf(connection) ?? NEW;
    this.#table.countReplay(connection);
    if (connection.replays > MAX_REPLAYS) this.#giveUp({ connection, errand });
    else this.#place(connection, errand, true, pid);
  }

  #choose(preferNew: boolean, except?: number): DealTarget | null {
    const candidates = this.#deps
      .serving()
      .filter(({ pid }) => pid !== except)
      .map((target) => ({
        target,
        pid: target.pid,
        generation: target.generation,
        stale: target.stale,
        lastDeal: target.lastDeal,
        connections: this.#table.count(target.pid),
      }));
    return chooseWorker(candidates, preferNew)?.target ?? null;
  }

  #deal(target: DealTarget, connection: Connection, errand: Errand, preferNew: boolean): void {
    this.#deals += 1;
    target.lastDeal = this.#deals;
    const deal = this.#table.dealTo(target.pid, connection);
    target.send(messageOf(connection, errand), connection.socket, (error) => {
      // Its death may have been noticed before: then the connection is with somebody else.
      if (this.#table.of(target.pid, connection.id)?.deal !== deal) return;
      this.#deps.log.debug('a worker could not be reached', { worker: target.pid, error });
      // Not to the same one again, even where its exit has not been seen.
      this.#place(connection, errand, preferNew, target.pid);
    });
  }

  #wait(connection: Connection, errand: Errand): void {
    this.#table.takeBack(connection);
    const timer = this.#deps.clock.setTimeout(() => {
      const waiting = this.#waiting.get(connection);
      if (waiting !== undefined) this.#giveUp(waiting);
    }, WAIT_MS);
    const waiting = { connection, errand, timer };
    const full = errand.type === 'connection' && this.#waiting.size >= MAX_WAITING;
    this.#waiting.set(connection, waiting);
    if (full || this.#closed !== null) this.#giveUp(waiting);
  }

  #unwait(connection: Connection): void {
    clearTimeout(this.#waiting.get(connection)?.timer);
    this.#waiting.delete(connection);
  }

  /** No worker in time: an error for who has no answer yet, FIN for who has. */
  #giveUp({ connection, errand }: Omit<Waiting, 'timer'>): void {
    this.#unwait(connection);
    this.#table.remove(connection);
    if (errand.type === 'adopt') endSocket(connection.socket);
    else refuse(connection.socket, this.#closed ?? 'NO_WORKER');
  }

  #drop(connection: Connection): void {
    this.#unwait(connection);
    this.#table.remove(connection);
    endSocket(connection.socket);
  }
}

function messageOf(connection: Connection, errand: Errand): PrimaryMessage {
  return { ...errand, connection: connection.id };
}
