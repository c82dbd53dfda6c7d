import type { Writable } from 'node:stream';

import winston from 'winston';

import type { LogLevel, LogSettings } from '../config/settings.js';
import { LOG_LEVELS } from '../config/settings.js';
import { withDeadline } from '../deadline.js';
import { RepeatLimiter, WINDOW_MS } from './repeat-limiter.js';
import type { LogFields, Logger } from './logger.js';
import { renderJson, renderPretty } from './render.js';
import type { LogRecord } from './render.js';

/** A logger that can be waited for; children write through their root and end with it. */
export interface ClosableLogger extends Logger {
  /**
   * Resolves when every line is with the operating system, or after a second at the latest: a
   * reader that stopped reading must not hold up the exit. Lines logged afterwards are dropped.
   */
  close(): Promise<void>;
}

const CLOSE_DEADLINE_MS = 1_000;
/** The other end of a pipe, or the terminal, is gone for good. */
const NOBODY_READS: ReadonlySet<string | undefined> = new Set(['EPIPE', 'EIO']);

/**
 * Writes to standard output unless told otherwise; rotation belongs to pm2 or systemd. No handlers
 * for uncaught errors: the process decides itself what it dies of (style 5.5).
 */
export function createLogger(
  settings: LogSettings,
  fields: LogFields = {},
  destination: Writable = process.stdout,
): ClosableLogger {
  const render = settings.format === 'json' ? renderJson : renderPretty;
  const output: unknown = new winston.transports.Stream({ stream: destination, eol: '\n' });
  const root = winston.createLogger({
    levels: Object.fromEntries(LOG_LEVELS.map((level, rank) => [level, rank])),
    level: settings.level,
    exitOnError: false,
    format: winston.format.printf((info) => render(info.record as LogRecord)),
    // winston types its transports as interfaces, not as the class they are.
    transports: output as winston.transport,
  });
  return new WinstonLogger(new Output(root, destination, settings.level), fields);
}

/** What all loggers of one destination share. */
class Output {
  readonly #winston: winston.Logger;
  readonly #destination: Writable;
  readonly #rank: number;
  readonly #limiter = new RepeatLimiter();
  #flushTimer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(root: winston.Logger, destination: Writable, level: LogLevel) {
    this.#winston = root;
    this.#destination = destination;
    this.#rank = LOG_LEVELS.indexOf(level);
    // Without a listener this would end the process. A full disk may have room again for the next line.
    destination.on('error', (error: NodeJS.ErrnoException) => {
      if (destination.destroyed || NOBODY_READS.has(error.code)) this.#closed = true;
    });
  }

  enabled(level: LogLevel): boolean {
    // Asked before winston is: its own check costs 5 µs a call (style 5.5).
    return !this.#closed && LOG_LEVELS.indexOf(level) <= this.#rank;
  }

  write(record: LogRecord): void {
    const lines = this.#limiter.pass(record);
    if (lines.length === 0) this.#flushLater();
    this.#print(lines);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    clearTimeout(this.#flushTimer);
    this.#print(this.#limiter.flush(Infinity));
    this.#closed = true;
    const finished = new Promise<void>((resolve) => this.#winston.once('finish', resolve));
    this.#winston.end();
    const written = finished.then(() => flushed(this.#destination));
    await withDeadline(written, CLOSE_DEADLINE_MS, 'writing the log').catch(() => undefined);
  }

  #print(records: readonly LogRecord[]): void {
    for (const record of records) {
      this.#winston.log({ level: record.level, message: record.message, record });
    }
  }

  /** The count of what is withheld is told also when the fault is over. */
  #flushLater(): void {
    this.#flushTimer ??= setTimeout(() => {
      this.#flushTimer = undefined;
      if (!this.#closed) this.#print(this.#limiter.flush(Date.now()));
    }, WINDOW_MS).unref();
  }
}

class WinstonLogger implements ClosableLogger {
  readonly #output: Output;
  readonly #fields: LogFields;

  constructor(output: Output, fields: LogFields) {
    this.#output = output;
    this.#fields = fields;
  }

  get debugEnabled(): boolean {
    return this.#output.enabled('debug');
  }

  error(message: string, fields?: LogFields): void {
    this.#log('error', message, fields);
  }

  warn(message: string, fields?: LogFields): void {
    this.#log('warn', message, fields);
  }

  info(message: string, fields?: LogFields): void {
    this.#log('info', message, fields);
  }

  debug(message: string, fields?: LogFields): void {
    this.#log('debug', message, fields);
  }

  child(fields: LogFields): Logger {
    return new WinstonLogger(this.#output, { ...this.#fields, ...fields });
  }

  close(): Promise<void> {
    return this.#output.close();
  }

  #log(level: LogLevel, message: string, fields?: LogFields): void {
    if (!this.#output.enabled(level)) return;
    const all = fields === undefined ? this.#fields : { ...this.#fields, ...fields };
    this.#output.write({ time: Date.now(), level, message, fields: all });
  }
}

/** An empty write is called back after everything before it. */
function flushed(destination: Writable): Promise<void> {
  if (destination.destroyed || destination.writableEnded) return Promise.resolve();
  return new Promise((resolve) => destination.write('', () => resolve()));
}
