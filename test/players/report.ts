import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { FAULTS } from './faults.js';
import type { Start, Subject, Survivals } from './lab.js';

/** What `docs/players.md` is made of. */
const RESULTS = fileURLToPath(new URL('../../docs/players.json', import.meta.url));

export interface PlayerRow {
  readonly name: string;
  readonly version: string;
  readonly seen: string;
  readonly variant: boolean;
  /** Each of the runs; ms, `null` where no picture came. */
  readonly pictureMs?: readonly (number | null)[];
  readonly requests?: readonly string[];
  readonly survivals?: Survivals;
}

export interface Results {
  /** Day of the last part. */
  readonly date: string;
  readonly node: string;
  readonly gapSeconds: number;
  readonly missing: readonly string[];
  readonly players: readonly PlayerRow[];
}

export function rowOf(
  { name, version, seen, variant }: Subject,
  starts: readonly Start[] | undefined,
  survivals: Survivals | undefined,
): PlayerRow {
  return {
    ...{ name, version, seen, variant },
    ...(starts && {
      pictureMs: starts.map(({ pictureMs }) => pictureMs),
      requests: starts[0]?.requests ?? [],
    }),
    ...(survivals && { survivals }),
  };
}

/** What this run did not measure stays as an earlier one found it. */
export function save(results: Results): void {
  const earlier = existsSync(RESULTS)
    ? (JSON.parse(readFileSync(RESULTS, 'utf8')) as Results).players
    : [];
  const fresh = results.players.map((row) => {
    const old = earlier.find(({ name }) => name === row.name);
    const survivals = { ...old?.survivals, ...row.survivals };
    return { ...old, ...row, ...(Object.keys(survivals).length > 0 && { survivals }) };
  });
  const others = earlier.filter(({ name }) => !fresh.some((row) => row.name === name));
  const merged: Results = { ...results, players: [...fresh, ...others] };
  writeFileSync(RESULTS, `${JSON.stringify(merged, null, 2)}\n`);
}

export function median(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null).sort((a, b) => a - b);
  return known.length < values.length ? null : (known[known.length >> 1] ?? null);
}

/** The table for the terminal. */
export function table(rows: readonly PlayerRow[]): string {
  const header = line(['player', 'picture ms', ...FAULTS.map(({ title }) => title)]);
  return header + rows.map((row) => line(cellsOf(row))).join('');
}

function cellsOf({ name, pictureMs, survivals }: PlayerRow): string[] {
  const time = pictureMs === undefined ? '-' : String(median(pictureMs) ?? 'none');
  const faults = FAULTS.map(({ id }) => {
    const survival = survivals?.[id];
    if (survival === undefined) return '-';
    const { plays, sameConnection, stillMs } = survival;
    if (!plays) return 'stops';
    const still = `${(stillMs / 1_000).toFixed(1)} s`;
    return sameConnection ? still : `${still}, reconnects`;
  });
  return [name, time, ...faults];
}

const line = ([name = '', ...rest]: readonly string[]): string =>
  `${name.padEnd(48)}${rest.map((cell) => cell.padStart(24)).join('')}\n`;
