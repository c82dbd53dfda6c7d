import { FormatError } from './formats.js';
import type { Format } from './formats.js';

const DATABASE_PATH = /^(?:\/\d{0,4})?$/;

/** `redis://[user:password@]host[:port][/db]`, the same with `rediss:`, or `unix:///path`. */
export function redisUrl(): Format<string> {
  return {
    allowed: 'redis://host:port/db, rediss://host:port/db or unix:///path/to/redis.sock',
    list: false,
    parse: (text) => {
      const url = parseUrl(text);
      if (url.protocol === 'unix:') {
        if (url.pathname.length < 2) throw new FormatError('the path is missing');
        return text;
      }
      if (url.protocol !== 'redis:' && url.protocol !== 'rediss:') throw new FormatError();
      if (url.hostname === '') throw new FormatError('the host is missing');
      if (!DATABASE_PATH.test(url.pathname))
        throw new FormatError('the path is no database number');
      return text;
    },
  };
}

/** The base of an HTTP service, without a trailing slash. */
export function httpUrl(): Format<string> {
  return {
    allowed: 'http://host[:port][/path] or https://host[:port][/path]',
    list: false,
    parse: (text) => {
      const url = parseUrl(text);
      if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new FormatError();
      // Empty ones too, which `search` and `hash` do not show.
      if (/[?#]/.test(text)) {
        throw new FormatError('a query or a fragment has no place in it');
      }
      return url.href.replace(/\/+$/, '');
    },
  };
}

/** WHATWG parsing forgives blanks, control characters and a missing `//`; we do not. */
function parseUrl(text: string): URL {
  if (!/^[a-z]+:\/\/[\x21-\x7e]+$/i.test(text) || !URL.canParse(text)) throw new FormatError();
  return new URL(text);
}
