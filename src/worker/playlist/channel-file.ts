import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { AppError } from '../../shared/errors.js';
import type { Logger } from '../../shared/log/logger.js';
import type { ContentSelector } from '../contracts.js';
import { parseChannelJson } from './channel-json.js';
import { aliasKey, ChannelListError, type ChannelList } from './channel-list.js';
import { parseChannelM3u } from './channel-m3u.js';
import { MAX_PLAYLIST_BYTES } from './rewrite.js';

export interface ChannelFileInputs {
  /** Ends in `.json`, or is a playlist. */
  readonly path: string;
  /** False for the default place: then there need not be a file. */
  readonly given: boolean;
  readonly logger: Logger;
}

/** What a look at the file found: the file as it was told apart, or that there is none. */
type Look = { readonly version: string; readonly bytes: Buffer | null };

/**
 * The list of channels of this worker. Each use looks whether the file has changed, so that an edit
 * needs no reload. A list with faults is logged with all of them and changes nothing: the last good
 * one stays, and where there never was one, the answer is an error.
 */
export class ChannelFile {
  readonly #inputs: ChannelFileInputs;
  #version = '';
  #list: ChannelList | null = null;
  #faulty = false;
  #looking: Promise<void> | null = null;

  constructor(inputs: ChannelFileInputs) {
    this.#inputs = inputs;
  }

  /** Throws `NO_CHANNELS`, or `BAD_CHANNELS` when there never was a good list. */
  async list(): Promise<ChannelList> {
    await this.refresh();
    if (this.#list === null) throw new AppError(this.#faulty ? 'BAD_CHANNELS' : 'NO_CHANNELS');
    return this.#list;
  }

  /** The content that an alias stands for. Throws `ALIAS_NOT_FOUND`, or as `list` does. */
  async find(alias: string): Promise<ContentSelector> {
    await this.refresh();
    const content = this.#list?.aliases.get(aliasKey(alias));
    if (content !== undefined) return content;
    throw new AppError(this.#list === null && this.#faulty ? 'BAD_CHANNELS' : 'ALIAS_NOT_FOUND');
  }

  /** Reads the file when it has changed; all who ask at once share one look. Never rejects. */
  refresh(): Promise<void> {
    this.#looking ??= this.#refresh().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  async #refresh(): Promise<void> {
    const { path, given } = this.#inputs;
    try {
      const look = await lookAt(path, this.#version);
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
    const { path, logger } = this.#inputs;
    try {
      const list = path.endsWith('.json') ? parseChannelJson(bytes) : parseChannelM3u(bytes);
      this.#list = list;
      this.#faulty = false;
      logger.info('channels read', { path, streams: list.streams, aliases: list.aliases.size });
    } catch (error) {
      if (!(error instanceof ChannelListError)) throw error;
      this.#refuse({ faults: error.faults.map(({ where, message }) => `${where}: ${message}`) });
    }
  }

  #refuse(fields: Record<string, unknown>): void {
    const { path, logger } = this.#inputs;
    this.#faulty = true;
    logger.error('the list of channels cannot be used', {
      ...{ path, ...fields },
      instead: this.#list === null ? 'none' : 'the last good one',
    });
  }

  /** There is no file in the default place (any more), which is no fault. */
  #leave(): void {
    this.#list = null;
    this.#faulty = false;
  }
}

/** The bytes of the file, or `null` for them when it is still that version. */
async function lookAt(path: string, version: string): Promise<Look> {
  // Opening a pipe would otherwise wait for somebody who writes to it.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw new Error('it is no regular file');
    if (stat.size > MAX_PLAYLIST_BYTES) {
      throw new Error(`it is larger than ${String(MAX_PLAYLIST_BYTES)} bytes`);
    }
    const found = [stat.ino, stat.size, stat.mtimeMs].join(':');
    return { version: found, bytes: found === version ? null : await file.readFile() };
  } finally {
    await file.close();
  }
}
