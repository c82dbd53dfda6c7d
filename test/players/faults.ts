import { setTimeout as delay } from 'node:timers/promises';
import type { Proxy } from '../helpers/proxy.js';
import { until } from '../helpers/until.js';
import type { SimulatedEngine } from '../simulator/engine.js';

export interface Scene {
  readonly engine: SimulatedEngine;
  readonly proxy: Proxy;
  /** ms of a gap of the engine. */
  readonly gapMs: number;
  /** Resolves when every player that still plays shows new pictures. */
  readonly untilPictures: () => Promise<void>;
}

export interface Fault {
  readonly id: FaultId;
  readonly title: string;
  /** Resolves when the fault is over; pictures may come later. */
  readonly inject: (scene: Scene) => Promise<void>;
}

export type FaultId = 'stall' | 'gone' | 'kill' | 'reload';

const REPLACED_MS = 20_000;

export const FAULTS: readonly Fault[] = [
  {
    id: 'stall',
    title: 'engine silent',
    inject: async ({ engine, gapMs }) => {
      engine.stall(true);
      await delay(gapMs);
      engine.stall(false);
    },
  },
  {
    id: 'gone',
    title: 'engine dead and back',
    inject: ({ engine, gapMs }) => engine.restart(gapMs),
  },
  {
    id: 'kill',
    title: 'kill -9 of its worker',
    inject: async ({ proxy, untilPictures }) => {
      // One after the other: whoever serves a player is among them.
      const workers = proxy.workers();
      for (const pid of workers) {
        process.kill(pid, 'SIGKILL');
        await untilReplaced(proxy, [pid], workers.length);
        await untilPictures();
      }
    },
  },
  {
    id: 'reload',
    title: 'rolling reload',
    inject: async ({ proxy }) => {
      const before = proxy.workers();
      proxy.tree.signal('SIGHUP');
      await untilReplaced(proxy, before, before.length);
    },
  },
];

async function untilReplaced(proxy: Proxy, gone: readonly number[], wanted: number): Promise<void> {
  await until(
    'the workers are replaced',
    () => {
      const now = proxy.workers();
      return now.length >= wanted && !now.some((pid) => gone.includes(pid));
    },
    REPLACED_MS,
  );
}
