#!/usr/bin/env node
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT, OpsError, runOps, streamArgument } from './lib/ops.mjs';

const help = `
Usage: node scripts/stop-stream.mjs <key> [--wait SECONDS]

Asks the owner to stop a stream although clients watch, and waits until its keys are gone. A stream
that nobody owns and nobody who lives watches is removed here. Exit code 1 when it does not run, or
still runs after the wait.

  --wait SECONDS   0 to 300, default 10: longer than a dead owner's lock lives`;

/** ms between two looks. */
const POLL_MS = 200;

await runOps({
  help,
  positionals: ['key'],
  options: { wait: { type: 'string', default: '10' } },
  run: async ({ redis, keys, ids, now, load, values, positionals, print }) => {
    const { requestStop } = await load('inspect/requests');
    const { removeUnowned } = await load('inspect/orphans');
    const id = streamArgument(ids, positionals[0]);
    const deadline = now() + seconds(values.wait) * 1_000;
    const stream = keys.stream(id);
    const life = await redis.hget(stream.metadata, 'init_time');
    const { found } = await requestStop(redis, keys, id, 'operator');
    if (!found && !((await removeUnowned(redis, keys, id, now())) > 0)) {
      console.error('this stream does not run');
      return EXIT.nothing;
    }
    for (;;) {
      if ((await redis.get(stream.owner)) === null) await removeUnowned(redis, keys, id, now());
      // A player may have started the next life of the stream already: this one is over then.
      const stopped = (await redis.hget(stream.metadata, 'init_time')) !== life || life === null;
      if (stopped || now() >= deadline) {
        print({ key: id, stopped }, () => (stopped ? 'stopped' : 'asked to stop, still running'));
        return stopped ? EXIT.ok : EXIT.nothing;
      }
      await sleep(POLL_MS);
    }
  },
});

function seconds(text) {
  const value = /^\d{1,3}$/.test(text) ? Number(text) : NaN;
  if (!(value <= 300)) throw new OpsError('--wait is a number of seconds up to 300', EXIT.usage);
  return value;
}
