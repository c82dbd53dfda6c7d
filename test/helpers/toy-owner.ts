import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';

import { systemClock } from '../../src/shared/clock.js';
import type { StreamId, WorkerId } from '../../src/shared/ids.js';
import type { MovableReader } from '../../src/worker/contracts.js';
import { openHttp } from '../../src/worker/engine/http-door.js';
import { adoptPlayback } from '../../src/worker/engine/open-playback.js';
import { PlaybackReader } from '../../src/worker/engine/playback-reader.js';
import type { PrimaryLink } from '../../src/worker/lifecycle/primary-link.js';

interface Owned {
  readonly term: number;
  readonly reader: MovableReader;
  readonly sink: Socket;
}

const SETTINGS = { readBytes: 8_192, stallTimeoutMs: 5_000 };

/**
 * The owner's part of the toy: every byte of an engine goes to the test over a connection of its
 * own, after a line with stream, term and process id. The term grows with each handover.
 */
export class ToyOwner {
  readonly #link: PrimaryLink;
  readonly #owned = new Map<StreamId, Owned>();
  readonly #targets = new Map<StreamId, (worker: WorkerId | null) => void>();

  constructor(link: PrimaryLink) {
    this.#link = link;
    link.on('stream-target', ({ stream, worker }) => this.#targets.get(stream)?.(worker));
    link.on('stream-adopt', ({ stream, term }, socket) => {
      if (socket === null) throw new Error('the connection was lost');
      this.#own(stream, term, adoptPlayback(socket, SETTINGS));
    });
  }

  owns(stream: StreamId): boolean {
    return this.#owned.has(stream);
  }

  async open(stream: StreamId, port: number): Promise<void> {
    const url = new URL(`http://127.0.0.1:${String(port)}/`);
    const answer = await openHttp({ url, connectTimeoutMs: 1_000 });
    this.#own(stream, 1, new PlaybackReader(answer, SETTINGS, systemClock));
  }

  /** Gives all streams to the worker that the primary names. */
  async handOverAll(): Promise<void> {
    for (const stream of [...this.#owned.keys()]) {
      const target = new Promise<WorkerId | null>((resolve) => this.#targets.set(stream, resolve));
      this.#link.send({ type: 'stream-target', stream });
      const to = await target;
      if (to === null) throw new Error('no worker takes the stream');
      await this.handOver(stream, to);
    }
  }

  async handOver(stream: StreamId, to: WorkerId): Promise<void> {
    const owned = this.#owned.get(stream);
    const socket = owned?.reader.release() ?? null;
    if (owned === undefined || socket === null) throw new Error('the connection cannot move');
    this.#owned.delete(stream);
    const term = owned.term + 1;
    await this.#link.sendSocket({ type: 'stream-handover', stream, term, to }, socket);
    await this.#end(owned);
  }

  #own(stream: StreamId, term: number, reader: MovableReader): void {
    const sink = connect(Number(readFileSync(process.env.TOY_SINK ?? '', 'utf8')), '127.0.0.1');
    sink.write(`${stream} ${String(term)} ${String(process.pid)}\n`);
    const owned: Owned = { term, reader, sink };
    this.#owned.set(stream, owned);
    this.#link.send({ type: 'owning', stream, term });
    reader.start({
      onData: (bytes) => sink.write(bytes),
      onEnd: () => void this.#end(owned),
    });
  }

  async #end({ sink, reader }: Owned): Promise<void> {
    sink.end();
    await once(sink.resume(), 'close');
    await reader.close();
  }
}
