import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Logger } from './log/logger.js';

/** One thing that is wrong in a file. */
export interface FileFault {
  /** `channel 3 (News)`, `line 12`, or `the file`. */
  readonly where: string;
  readonly message: string;
}

/** All faults of a file at once. */
export class FileFaultError extends Error {
  readonly faults: readonly FileFault[];

  constructor(what: string, faults: readonly FileFault[]) {
    super(`${what} has ${String(faults.length)} fault(s)`);
    this.name = new.target.name;
    this.faults = faults;
  }
}

export interface WatchedFileInputs<T> {
  readonly path: string;
  /** What the log calls it: `the list of channels`. */
  readonly what: string;
  /** False for a default place: then there need not be a file. */
  readonly given: boolean;
  readonly maxBytes: number;
  /** Throws `FileFaultError`. */
  readonly parse: (bytes: Buffer) => T;
  readonly onRead: (value: T) => void;
  readonly logger: Logger;
}

/** What a look at the file found: the file as it was told apart, or that it is still that version. */
interface Look {
  readonly version: string;
  readonly bytes: Buffer | null;
}

/**
 * What an operator keeps in a file, read again when the file has changed, so that an edit needs no
 * reload. A file with faults is logged with all of them and changes nothing: the last good value
 * stays.
 */
export class WatchedFile<T> {
  readonly #inputs: WatchedFileInputs<T>;
  #version = '';
  #value: T | null = null;
  #faulty = false;
  #looking: Promise<void> | null = null;

  constructor(inputs: WatchedFileInputs<T>) {
    this.#inputs = inputs;
  }

  /** The last good value; `null` where there never was one. */
  get value(): T | null {
    return this.#value;
  }

  /** True when the file as it is now cannot be used. */
  get faulty(): boolean {
    return this.#faulty;
  }

  /** Reads the file when it has changed; all who ask at once share one look. Never rejects. */
  refresh(): Promise<void> {
    this.#looking ??= this.#refresh().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  async #refresh(): Promise<void> {
    const { path, given, maxBytes } = this.#inputs;
    try {
      const look = await lookAt(path, this.#version, maxBytes);
      if (look.version === this.#version) return;
      this.#version = look.version;
      if (look.bytes !== null) this.#take(look.bytes);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      const version = `not read: ${code ?? String(error)}`;
      if (version === this.#version) return;
      this.#version = version;
      if (code === 'ENOENT' && !given) this.#leave();
      else this.#refuse({ error });
    }
  }

  #take(bytes: Buffer): void {
    try {
      this.#value = this.#inputs.parse(bytes);
      this.#faulty = false;
      this.#inputs.onRead(this.#value);
    } catch (error) {
      if (!(error instanceof FileFaultError)) throw error;
      this.#refuse({ faults: error.faults.map(({ where, message }) => `${where}: ${message}`) });
    }
  }

  #refuse(fields: Record<string, unknown>): void {
    const { path, what, logger } = this.#inputs;
    this.#faulty = true;
    logger.error(`${what} cannot be used`, {
      ...{ path, ...fields },
      instead: this.#value === null ? 'none' : 'the last good one',
    });
  }

  /** There is no file in the default place (any more), which is no fault. */
  #leave(): void {
    this.#value = null;
    this.#faulty = false;
  }
}

/** The bytes of the file, or `null` for them when it is still that version. */
async function lookAt(path: string, version: string, maxBytes: number): Promise<Look> {
  // Opening a pipe would otherwise wait for somebody who writes to it.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw new Error('it is no regular file');
    if (stat.size > maxBytes) throw new Error(`it is larger than ${String(maxBytes)} bytes`);
    const found = [stat.ino, stat.size, stat.mtimeMs].join(':');
    return { version: found, bytes: found === version ? null : await file.readFile() };
  } finally {
    await file.close();
  }
}
