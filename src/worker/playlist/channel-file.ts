import { AppError } from '../../shared/errors.js';
import type { Logger } from '../../shared/log/logger.js';
import { WatchedFile } from '../../shared/watched-file.js';
import type { ContentSelector } from '../contracts.js';
import { parseChannelJson } from './channel-json.js';
import { aliasKey, type ChannelList } from './channel-list.js';
import { parseChannelM3u } from './channel-m3u.js';
import { MAX_PLAYLIST_BYTES } from './rewrite.js';

export interface ChannelFileInputs {
  /** Ends in `.json`, or is a playlist. */
  readonly path: string;
  /** False for the default place: then there need not be a file. */
  readonly given: boolean;
  readonly logger: Logger;
}

/**
 * The list of channels of this worker. Each use looks whether the file has changed. Where there
 * never was a good list, the answer is an error.
 */
export class ChannelFile {
  readonly #file: WatchedFile<ChannelList>;

  constructor({ path, given, logger }: ChannelFileInputs) {
    this.#file = new WatchedFile({
      ...{ path, given, logger, what: 'the list of channels', maxBytes: MAX_PLAYLIST_BYTES },
      parse: path.endsWith('.json') ? parseChannelJson : parseChannelM3u,
      onRead: ({ streams, aliases }) =>
        logger.info('channels read', { path, streams, aliases: aliases.size }),
    });
  }

  /** Throws `NO_CHANNELS`, or `BAD_CHANNELS` when there never was a good list. */
  async list(): Promise<ChannelList> {
    await this.refresh();
    const { value, faulty } = this.#file;
    if (value === null) throw new AppError(faulty ? 'BAD_CHANNELS' : 'NO_CHANNELS');
    return value;
  }

  /** The content that an alias stands for. Throws `ALIAS_NOT_FOUND`, or as `list` does. */
  async find(alias: string): Promise<ContentSelector> {
    await this.refresh();
    const { value, faulty } = this.#file;
    const content = value?.aliases.get(aliasKey(alias));
    if (content !== undefined) return content;
    throw new AppError(value === null && faulty ? 'BAD_CHANNELS' : 'ALIAS_NOT_FOUND');
  }

  /** Reads the file when it has changed; all who ask at once share one look. Never rejects. */
  refresh(): Promise<void> {
    return this.#file.refresh();
  }
}
