#!/usr/bin/env node
import { EXIT, OpsError, runOps, streamArgument } from './lib/ops.mjs';

const help = `
Usage: node scripts/kick-client.mjs <key> <client>

Asks the worker of a client to end its connection; the ids are those of scripts/stream.mjs. Exit code
1 when the stream has no such client.`;

await runOps({
  help,
  positionals: ['key', 'client'],
  run: async ({ redis, keys, ids, load, positionals, print }) => {
    const { requestKick } = await load('inspect/requests');
    const id = streamArgument(ids, positionals[0]);
    const client = ids.parseClientId(positionals[1]);
    if (client === null) throw new OpsError('this is not the id of a client', EXIT.usage);
    if (!(await requestKick(redis, keys, id, { client, reason: 'operator' }))) {
      console.error('this stream has no such client');
      return EXIT.nothing;
    }
    print({ key: id, id: client, stopping: true }, () => 'asked to leave');
    return EXIT.ok;
  },
});
