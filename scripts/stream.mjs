#!/usr/bin/env node
import { EXIT, clock, megabits, runOps, streamArgument, table } from './lib/ops.mjs';

const help = `
Usage: node scripts/stream.mjs <key>

Shows one stream with its ring, what its viewers had to bear, and its clients. Exit code 1 when it
does not run.`;

await runOps({
  help,
  positionals: ['key'],
  run: async ({ redis, keys, ids, load, positionals, print }) => {
    const { listClients, showStream } = await load('inspect/read-model');
    const id = streamArgument(ids, positionals[0]);
    const [stream, clients] = await Promise.all([
      showStream(redis, keys, id),
      listClients(redis, keys, id),
    ]);
    if (stream === null) {
      console.error('this stream does not run');
      return EXIT.nothing;
    }
    print({ ...stream, clients: clients ?? [] }, render);
    return EXIT.ok;
  },
});

function render({ clients, ring, qoe, ...stream }) {
  const engine = `${stream.container_id ?? '–'} at ${stream.engine_host ?? '–'}:${stream.engine_port ?? '–'}`;
  const facts = [
    ['stream', `${stream.key} (${stream.key_type})`],
    ['state', stream.stopping ? `${stream.state}, stop in progress` : stream.state],
    ['started', stream.started_at],
    ['owner', `${stream.owner ?? 'nobody'}, term ${stream.term ?? '–'}`],
    ['engine', engine],
    ['bitrate', megabits(stream.bitrate)],
    ['peers', stream.peers],
    [
      'ring',
      `chunks ${ring.tail ?? '–'} to ${ring.head ?? '–'}, ${ring.bytes} bytes, ${ring.seconds} s`,
    ],
    ['join points', ring.joins],
    ['quality', [qoe.grade ?? '–', ...qoe.faults].join(', ')],
    ['losses a minute', qoe.losses_per_minute],
    ['continuity errors', qoe.continuity_errors],
    ['sync losses', qoe.sync_losses],
    ['transport errors', qoe.transport_errors],
    ['splices', qoe.splices],
    ['loops left', qoe.loops],
    ['clock interval', `${qoe.pcr_interval_max_ms ?? '–'} ms at most`],
    ['clock jitter', `${qoe.pcr_jitter_ms ?? '–'} ms`],
    ['last data', clock(stream.last_data)],
    ['error', stream.error_message],
  ];
  const width = Math.max(...facts.map(([name]) => name.length));
  const lines = facts.map(([name, value]) => `${name.padEnd(width)}  ${value ?? '–'}`);
  const rows = clients.map((client) => [
    client.id,
    client.ip_address,
    client.user,
    client.current_rate_KBps,
    client.bytes_sent,
    clock(client.last_active),
    client.worker_id,
    client.user_agent,
  ]);
  const headings = [
    'client',
    'address',
    'user',
    'KB/s',
    'bytes',
    'last active',
    'worker',
    'player',
  ];
  return [...lines, '', rows.length === 0 ? 'no clients' : table(headings, rows)].join('\n');
}
