import type { Command } from 'ioredis';
import type { RedisClient } from './client.js';
import { classifyRedisFailure, type RedisFailure } from './failures.js';

/** Told of every command of one connection. */
export interface CommandObserver {
  /** Of single commands and scripts; what travels in a pipeline waits for the others. */
  answered(seconds: number): void;
  failed(kind: RedisFailure): void;
}

type Send = (command: Command, stream?: unknown, ...more: unknown[]) => unknown;

/** The one place that all commands of a client pass, whatever made them. */
export function observeCommands(redis: RedisClient, observer: CommandObserver): void {
  const client = redis as { sendCommand: Send };
  const send = client.sendCommand.bind(redis);
  client.sendCommand = (command, stream, ...more) => {
    const startedAt = performance.now();
    const single = stream === undefined || stream === null;
    command.promise.then(
      () => {
        if (single) observer.answered((performance.now() - startedAt) / 1_000);
      },
      (error: unknown) => {
        // A script that this connection has not seen yet is sent again in full.
        if (String(error).includes('NOSCRIPT')) return;
        observer.failed(classifyRedisFailure(error));
      },
    );
    return send(command, stream, ...more);
  };
}
