#!/usr/bin/env node
import { EXIT, runOps } from './lib/ops.mjs';

const help = `
Usage: node scripts/orphans.mjs [--clean]

Finds streams that nobody feeds and nobody who lives watches, and clients that no live worker serves:
what is left when a host loses its power. Looks at every key of every stream. Exit code 1 when there
is nothing.

  --clean   remove them; each is looked at again in the same step, so that what came back stays`;

await runOps({
  help,
  options: { clean: { type: 'boolean', default: false } },
  run: async ({ redis, keys, now, load, values, print }) => {
    const { cleanOrphans, findOrphans } = await load('inspect/orphans');
    const orphans = await findOrphans(redis, keys);
    const cleaned = values.clean ? await cleanOrphans(redis, keys, orphans, now()) : null;
    print({ ...orphans, cleaned }, render);
    return orphans.streams.length + orphans.clients.length === 0 ? EXIT.nothing : EXIT.ok;
  },
});

function render({ streams, clients, cleaned }) {
  if (streams.length + clients.length === 0) return 'no orphans';
  return [
    ...streams.map(({ stream, keys }) => `stream ${stream}: ${keys.length} keys`),
    ...clients.map(({ stream, client, worker }) => {
      const why = worker === null ? 'its lease ran out' : `worker ${worker} is dead`;
      return `client ${client} of ${stream}: ${why}`;
    }),
    ...(cleaned === null
      ? []
      : [`removed: ${cleaned.streams} streams, ${cleaned.keys} keys, ${cleaned.clients} clients`]),
  ].join('\n');
}
