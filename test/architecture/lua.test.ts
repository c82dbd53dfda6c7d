import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const FOLDER = fileURLToPath(new URL('../../src/shared/redis/lua/', import.meta.url));
/** Commands without a key. A channel is no key, and what INFO says is of the node that is asked. */
const KEYLESS = ['TIME', 'PUBLISH', 'INFO'];

interface LuaScript {
  readonly name: string;
  /** The block that it begins with. */
  readonly contract: string;
  /** What follows, without comments. */
  readonly body: string;
}

function readScript(name: string): LuaScript {
  const text = readFileSync(FOLDER + name, 'utf8');
  const [, contract = '', body = ''] = /^--\[\[\n(.*?)\n\]\]\n(.*)$/s.exec(text) ?? [];
  return { name, contract, body: body.replace(/--.*/g, '') };
}

/** The numbers that `KEYS[n]` or `ARGV[n]` have in a text, once each; `[n..]` counts as `n`. */
function numbers(text: string, list: 'KEYS' | 'ARGV'): number[] {
  const found = [...text.matchAll(new RegExp(`${list}\\[(\\d+)(?:\\.\\.)?\\]`, 'g'))];
  return [...new Set(found.map(([, n]) => Number(n)))].sort((a, b) => a - b);
}

describe('the Lua scripts', () => {
  const scripts = readdirSync(FOLDER).map(readScript);

  it('begin with what they guarantee, each key, each argument, and each answer', () => {
    for (const { name, contract, body } of scripts) {
      expect(contract, name).to.match(/^Returns /m);
      expect(numbers(contract, 'KEYS'), name).to.include.members(numbers(body, 'KEYS'));
      expect(numbers(contract, 'ARGV'), name).to.include.members(numbers(body, 'ARGV'));
      for (const list of ['KEYS', 'ARGV'] as const) {
        const described = numbers(contract, list);
        expect(described, name).to.deep.equal(described.map((_, i) => i + 1));
      }
    }
  });

  it('have as many fixed keys as their names say', () => {
    for (const { name, contract, body } of scripts) {
      const fixed = Number(/-(\d+)\.lua$/.exec(name)?.[1]);
      const more = /KEYS\[(\d+)\.\.\]/.exec(contract);
      const described = numbers(contract, 'KEYS').length - (more === null ? 0 : 1);
      expect(described, name).to.equal(fixed);
      expect(Math.max(...numbers(body, 'KEYS')), name).to.be.at.most(fixed);
    }
  });

  it('touch no key but those that are passed to them, as a Cluster asks for', () => {
    for (const { name, body } of scripts) {
      const calls = [...body.matchAll(/redis\.p?call\(\s*'(\w+)'(?:,\s*(unpack\(KEYS|KEYS\[|))?/g)];
      expect(calls, name).to.have.length(body.split(/redis\.p?call/).length - 1);
      for (const [call, command = '', key = ''] of calls) {
        expect(KEYLESS.includes(command), `${name}: ${call}`).to.equal(key === '');
      }
    }
  });

  it('go through what there is once, and end', () => {
    for (const { name, body } of scripts) {
      expect(body, name).not.to.match(/\b(?:while|repeat|goto)\b/);
    }
  });
});
