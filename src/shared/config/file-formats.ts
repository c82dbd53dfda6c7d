import { readFileSync } from 'node:fs';

import { FormatError } from './formats.js';
import type { Format } from './formats.js';

const PATH = /^[^\p{Cc}]{1,4096}$/u;
/** Certificates of many authorities are some hundred KB. */
const MAX_PEM_CHARACTERS = 4_194_304;

/** The path of a PEM file that can be read and holds `what`; its content is read where it is used. */
export function pemFile(what: 'CERTIFICATE' | 'PRIVATE KEY'): Format<string> {
  const begin = new RegExp(`-----BEGIN (?:[A-Z]+ )?${what}-----`);
  return {
    allowed: `the path of a PEM file with a ${what.toLowerCase()}`,
    list: false,
    parse: (path) => {
      if (!PATH.test(path)) throw new FormatError();
      const content = read(path);
      if (content.length > MAX_PEM_CHARACTERS || !begin.test(content)) {
        throw new FormatError(`there is none in "${path}"`);
      }
      return path;
    },
  };
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    const { code = 'it cannot be read' } = error as NodeJS.ErrnoException;
    throw new FormatError(`"${path}": ${code}`);
  }
}
