import { readFileSync } from 'node:fs';

/** Objects of one kind in a heap. */
export interface Kind {
  readonly count: number;
  readonly bytes: number;
}

/** What one kind of object gained between two snapshots of a heap. */
export interface Growth extends Kind {
  readonly kind: string;
}

/** The parts of V8's format that are needed: one flat array of fields, node after node. */
interface Snapshot {
  readonly snapshot: {
    readonly meta: { readonly node_fields: string[]; readonly node_types: [string[]] };
  };
  readonly nodes: readonly number[];
  readonly strings: readonly string[];
}

/** Their name is their content, which says nothing about where they come from. */
const NAMELESS = new Set(['string', 'concatenated string', 'sliced string', 'number', 'bigint']);
/** V8's own objects have names that say what they are; others are named after their owner. */
const OWN_NAME = /^(system \/|\((?!code for))/;

/** Objects and their own bytes by kind: type and name. */
export function kindsOf(file: string): ReadonlyMap<string, Kind> {
  const { snapshot, nodes, strings } = JSON.parse(readFileSync(file, 'utf8')) as Snapshot;
  const { node_fields: fields, node_types: types } = snapshot.meta;
  const [type, name, size] = ['type', 'name', 'self_size'].map((field) => fields.indexOf(field));
  const kinds = new Map<string, Kind>();
  for (let at = 0; at < nodes.length; at += fields.length) {
    const of = (field = 0): number => nodes[at + field] ?? 0;
    const kind = nameOf(types[0][of(type)] ?? '?', strings[of(name)] ?? '');
    const known = kinds.get(kind) ?? { count: 0, bytes: 0 };
    kinds.set(kind, { count: known.count + 1, bytes: known.bytes + of(size) });
  }
  return kinds;
}

function nameOf(type: string, name: string): string {
  if (NAMELESS.has(type) || (type === 'code' && !OWN_NAME.test(name))) return type;
  return `${type} ${name.slice(0, 48)}`;
}

/** What grew by `atLeast` bytes or more, the most first. */
export function growthBetween(
  before: ReadonlyMap<string, Kind>,
  after: ReadonlyMap<string, Kind>,
  atLeast: number,
): Growth[] {
  const grown = [...after].map(([kind, { count, bytes }]) => {
    const was = before.get(kind) ?? { count: 0, bytes: 0 };
    return { kind, count: count - was.count, bytes: bytes - was.bytes };
  });
  return grown.filter(({ bytes }) => bytes >= atLeast).sort((a, b) => b.bytes - a.bytes);
}
