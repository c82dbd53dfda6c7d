#!/usr/bin/env node
import { EXIT, megabits, runOps, table } from './lib/ops.mjs';

const help = `
Usage: node scripts/streams.mjs [--status started|ended]

Lists the streams with their owner, head, clients and bitrate. Exit code 1 when there is none.

  --status WHICH   started (default) or ended`;

await runOps({
  help,
  options: { status: { type: 'string', default: 'started' } },
  run: async ({ redis, keys, load, values, print }) => {
    const { listStreams } = await load('inspect/read-model');
    const { STREAM_STATUSES } = await load('inspect/stream-view');
    if (!STREAM_STATUSES.includes(values.status)) {
      console.error(`--status is ${STREAM_STATUSES.join(' or ')}`);
      return EXIT.usage;
    }
    const streams = await Promise.all(
      (await listStreams(redis, keys, values.status)).map(async (stream) => {
        const head = await redis.get(keys.stream(stream.key).index);
        return { ...stream, head: head === null ? null : Number(head) };
      }),
    );
    print(streams, render);
    return streams.length === 0 ? EXIT.nothing : EXIT.ok;
  },
});

function render(streams) {
  if (streams.length === 0) return 'no streams';
  const rows = streams.map((stream) => [
    stream.key,
    stream.state,
    stream.clients,
    stream.head,
    megabits(stream.bitrate),
    stream.container_id,
    stream.owner,
  ]);
  return table(['stream', 'state', 'clients', 'head', 'bitrate', 'engine', 'owner'], rows);
}
