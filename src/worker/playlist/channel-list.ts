import { FileFaultError, type FileFault } from '../../shared/watched-file.js';
import type { ContentSelector } from '../contracts.js';
import type { QueryEnd } from './rewrite.js';

/** The channels this proxy offers, as one file says. */
export interface ChannelList {
  /** The names under which `/ace/alias/` plays them, in lower case. */
  readonly aliases: ReadonlyMap<string, ContentSelector>;
  /** How many streams the playlist has. */
  readonly streams: number;
  /** The playlist with addresses that begin with `base` and end as `more` says. */
  render(base: string, more?: QueryEnd): Promise<Buffer>;
}

/** All faults of a list at once; its message says how many. */
export class ChannelListError extends FileFaultError {
  constructor(faults: readonly FileFault[]) {
    super('the list of channels', faults);
  }
}

const ALIAS = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const ALIAS_RULE = '1 to 64 of letters, digits and . _ -, and begins with a letter or a digit';

/** Collects aliases and what is wrong with them; their case does not matter. */
export class AliasBook {
  readonly #contents = new Map<string, ContentSelector>();

  get contents(): ReadonlyMap<string, ContentSelector> {
    return this.#contents;
  }

  /** What is wrong with the alias, or `null` when it is in the book now. */
  add(alias: string, content: ContentSelector): string | null {
    const name = aliasKey(alias);
    if (!ALIAS.test(name)) return `alias is ${ALIAS_RULE}`;
    if (this.#contents.has(name)) return `the alias ${name} stands twice`;
    this.#contents.set(name, content);
    return null;
  }
}

/** An alias as the lists have it. */
export function aliasKey(alias: string): string {
  return alias.toLowerCase();
}
