import { isIP } from 'node:net';

/**
 * What a value may look like. Values arrive as text, from the environment or from a file, and one
 * grammar holds for both. convict's own formats are not used: they take `12abc` for 12 and `no`
 * for true (style 5.6).
 */
export interface Format<T> {
  /** Completes "must be …" in a fault. */
  readonly allowed: string;
  /** True when a file may give an array of strings. */
  readonly list: boolean;
  /** Throws `FormatError` when the text is not of this format. */
  parse(text: string): T;
}

/** The message says what is wrong inside the value, where `allowed` alone would not help. */
export class FormatError extends Error {
  constructor(message = '') {
    super(message);
    this.name = 'FormatError';
  }
}

const WHOLE = /^(?:0|[1-9]\d{0,15})$/;
const DECIMAL = /^(?:0|[1-9]\d{0,11})(?:\.\d{1,9})?$/;
const LABELS =
  /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/i;
/** What is written like an IPv4 address has to be one: `10.0.0.300` is no host name. */
const DOTTED_NUMBERS = /^[\d.]+$/;
const CHANNELS_PATH = /^[^\p{Cc}]{1,4096}\.(?:json|m3u8?)$/u;
const JSON_PATH = /^[^\p{Cc}]{1,4096}\.json$/u;
const KEY_TEXT = /^[\x21-\x7e]{1,512}$/;

export function integer(min: number, max: number): Format<number> {
  return {
    allowed: `a whole number from ${String(min)} to ${String(max)}`,
    list: false,
    parse: (text) => inRange(text, WHOLE, min, max),
  };
}

export function decimal(min: number, max: number): Format<number> {
  return {
    allowed: `a number from ${String(min)} to ${String(max)}, with decimals or without`,
    list: false,
    parse: (text) => inRange(text, DECIMAL, min, max),
  };
}

/** Written in seconds, kept in milliseconds. */
export function seconds(min: number, max: number): Format<number> {
  const inSeconds = decimal(min, max);
  return {
    allowed: `seconds: ${inSeconds.allowed}`,
    list: false,
    parse: (text) => Math.round(inSeconds.parse(text) * 1000),
  };
}

export function boolean(): Format<boolean> {
  return {
    allowed: '"true" or "false"',
    list: false,
    parse: (text) => {
      if (text !== 'true' && text !== 'false') throw new FormatError();
      return text === 'true';
    },
  };
}

export function oneOf<const T extends string>(choices: readonly T[]): Format<T> {
  return {
    allowed: `one of ${choices.map((choice) => `"${choice}"`).join(', ')}`,
    list: false,
    parse: (text) => {
      const found = choices.find((choice) => choice === text);
      if (found === undefined) throw new FormatError();
      return found;
    },
  };
}

export function host(): Format<string> {
  return {
    allowed: 'a host name or an IP address, without port and brackets',
    list: false,
    parse: (text) => {
      if (!isHost(text)) throw new FormatError();
      return text;
    },
  };
}

/** A Bearer key: whatever fits into an HTTP header without quoting. */
export function keyText(): Format<string> {
  return {
    allowed: '1 to 512 visible ASCII characters without spaces',
    list: false,
    parse: (text) => {
      if (!KEY_TEXT.test(text)) throw new FormatError();
      return text;
    },
  };
}

/** A name or a password of somebody else's making. */
export function text(max: number): Format<string> {
  return {
    allowed: `1 to ${String(max)} characters, none of them a control character`,
    list: false,
    parse: (value) => {
      if (value === '' || value.length > max || /\p{Cc}/u.test(value)) throw new FormatError();
      return value;
    },
  };
}

/** The path of a JSON file. */
export function jsonPath(): Format<string> {
  return {
    allowed: 'the path of a .json file',
    list: false,
    parse: (text) => {
      if (!JSON_PATH.test(text)) throw new FormatError();
      return text;
    },
  };
}

/** The path of a list of channels; what it ends with says how to read it. */
export function channelsPath(): Format<string> {
  return {
    allowed: 'the path of a .json, .m3u or .m3u8 file',
    list: false,
    parse: (text) => {
      if (!CHANNELS_PATH.test(text)) throw new FormatError();
      return text;
    },
  };
}

export function isHost(text: string): boolean {
  if (isIP(text) !== 0) return true;
  return text.length <= 253 && LABELS.test(text) && !DOTTED_NUMBERS.test(text);
}

/** A host that can stand in a URL: an IPv6 address with a zone cannot. */
export function isUrlHost(text: string): boolean {
  return isHost(text) && !text.includes('%');
}

function inRange(text: string, grammar: RegExp, min: number, max: number): number {
  const value = grammar.test(text) ? Number(text) : NaN;
  if (!(value >= min && value <= max)) throw new FormatError();
  return value;
}
