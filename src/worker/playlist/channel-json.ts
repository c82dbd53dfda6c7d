import { setImmediate as nextTurn } from 'node:timers/promises';
import { contentOf } from '../../shared/content-link.js';
import { nearest } from '../../shared/config/nearest.js';
import { KEY_TYPES } from '../../shared/ids.js';
import type { FileFault } from '../../shared/watched-file.js';
import type { ContentSelector } from '../contracts.js';
import { AliasBook, ChannelListError, type ChannelList } from './channel-list.js';
import { playUrl, type QueryEnd } from './rewrite.js';

interface Channel {
  readonly name: string;
  readonly content: ContentSelector;
  readonly logo: string | undefined;
  readonly group: string | undefined;
  readonly tvgId: string | undefined;
  readonly number: number | undefined;
}

/** What a field may hold; `is` sees only values that are there. */
interface Field {
  readonly allowed: string;
  readonly is: (value: unknown) => boolean;
}

/** M3U knows no escape: a quote would end the attribute, a control character the line. */
const ATTRIBUTE = /^[^"\p{Cc}\u2028\u2029]{1,200}$/u;
const NAME = /^[^\p{Cc}\u2028\u2029]{1,200}$/u;
const LOGO = /^https?:\/\/[\x21\x23-\x7e]{1,2000}$/i;
const MAX_NUMBER = 99_999;

/** Channels that are written in one turn of the event loop: some 10 ms where each address is signed. */
const SLICE = 500;

const ATTRIBUTE_RULE = '1 to 200 characters without quotes and control characters';
const text = (grammar: RegExp) => (value: unknown) =>
  typeof value === 'string' && grammar.test(value);

const FIELDS: Readonly<Record<string, Field>> = {
  name: { allowed: '1 to 200 characters without control characters', is: text(NAME) },
  logo: { allowed: 'an http or https address without blanks and quotes', is: text(LOGO) },
  group: { allowed: ATTRIBUTE_RULE, is: text(ATTRIBUTE) },
  tvg_id: { allowed: ATTRIBUTE_RULE, is: text(ATTRIBUTE) },
  alias: { allowed: 'a text', is: (value) => typeof value === 'string' },
  number: {
    allowed: `a whole number from 0 to ${String(MAX_NUMBER)}`,
    is: (value) =>
      typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_NUMBER,
  },
};
const NAMES: readonly string[] = [...Object.keys(FIELDS), ...KEY_TYPES];

/**
 * `channels.json`: an array of `{name, id | infohash | content_id, logo?, group?, tvg_id?, alias?,
 * number?}`. Throws `ChannelListError` with every fault.
 */
export function parseChannelJson(file: Buffer): ChannelList {
  const aliases = new AliasBook();
  const faults: FileFault[] = [];
  const channels: Channel[] = [];
  for (const [at, entry] of entriesOf(file).entries()) {
    const { channel, messages } = parseChannel(entry, aliases);
    if (channel !== null) channels.push(channel);
    faults.push(...messages.map((message) => ({ where: placeOf(entry, at), message })));
  }
  if (faults.length > 0) throw new ChannelListError(faults);
  return {
    aliases: aliases.contents,
    streams: channels.length,
    render: (base, more) => render(channels, linesOf(base, more)),
  };
}

/** With turns of the event loop in between: a large playlist must not hold media back. */
async function render(
  channels: readonly Channel[],
  lines: (channel: Channel) => string[],
): Promise<Buffer> {
  const playlist = ['#EXTM3U'];
  for (let from = 0; from < channels.length; from += SLICE) {
    if (from > 0) await nextTurn();
    playlist.push(...channels.slice(from, from + SLICE).flatMap(lines));
  }
  return Buffer.from([...playlist, ''].join('\n'));
}

function entriesOf(file: Buffer): unknown[] {
  const fail = (message: string): never => {
    throw new ChannelListError([{ where: 'the file', message }]);
  };
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(file));
  } catch (error) {
    return fail(error instanceof SyntaxError ? `is not JSON: ${error.message}` : 'is not UTF-8');
  }
  return Array.isArray(parsed) ? (parsed as unknown[]) : fail('must hold one JSON array');
}

function parseChannel(
  entry: unknown,
  aliases: AliasBook,
): { channel: Channel | null; messages: string[] } {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) {
    return { channel: null, messages: ['must be a JSON object'] };
  }
  const fields = entry as Readonly<Record<string, unknown>>;
  const messages = [...unknownFields(fields), ...badFields(fields)];
  const content = contentOfFields(fields);
  if (typeof content === 'string') return { channel: null, messages: [...messages, content] };
  const { alias } = fields;
  const aliasFault = typeof alias === 'string' ? aliases.add(alias, content) : null;
  if (aliasFault !== null) messages.push(aliasFault);
  if (messages.length > 0) return { channel: null, messages };
  const valid = fields as Partial<Record<'name' | 'logo' | 'group' | 'tvg_id', string>>;
  const { name = '', logo, group, tvg_id: tvgId } = valid;
  const number = fields['number'] as number | undefined;
  return { channel: { name, content, logo, group, tvgId, number }, messages };
}

function unknownFields(fields: object): string[] {
  return Object.keys(fields)
    .filter((key) => !NAMES.includes(key))
    .map((key) => {
      const meant = nearest(key, NAMES);
      const hint = meant === null ? `there are only ${NAMES.join(', ')}` : `did you mean ${meant}?`;
      return `unknown field ${JSON.stringify(key)}: ${hint}`;
    });
}

function badFields(fields: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(FIELDS).flatMap(([key, { allowed, is }]) => {
    const value = fields[key];
    if (value === undefined) return key === 'name' ? ['name is missing'] : [];
    return is(value) ? [] : [`${key} is ${allowed}`];
  });
}

/** The content, or what is wrong with it. */
function contentOfFields(fields: Readonly<Record<string, unknown>>): ContentSelector | string {
  const given = KEY_TYPES.filter((keyType) => fields[keyType] !== undefined);
  const [keyType, second] = given;
  if (keyType === undefined || second !== undefined) {
    return `one of ${KEY_TYPES.join(', ')} is needed, and only one`;
  }
  const value = fields[keyType];
  if (typeof value !== 'string') return `${keyType} is a text`;
  const found = contentOf(keyType, value);
  return 'fault' in found ? `${keyType}: ${found.fault}` : found;
}

function placeOf(entry: unknown, at: number): string {
  const name = (entry as { name?: unknown } | null)?.name;
  const shown = typeof name === 'string' ? ` (${name.slice(0, 60)})` : '';
  return `channel ${String(at + 1)}${shown}`;
}

/** The attributes that IPTV players read, and the address. */
function linesOf(base: string, more?: QueryEnd) {
  return ({ name, content, logo, group, tvgId, number }: Channel): string[] => {
    const attributes = [
      ['tvg-id', tvgId],
      ['tvg-chno', number],
      ['tvg-logo', logo],
      ['group-title', group],
    ].flatMap(([key, value]) =>
      value === undefined ? [] : [` ${String(key)}="${String(value)}"`],
    );
    return [`#EXTINF:-1${attributes.join('')},${name}`, playUrl(base, content, more)];
  };
}
